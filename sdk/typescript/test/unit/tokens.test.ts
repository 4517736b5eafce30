// Tokens, tickets and verdicts: "Verdicts" and "Tokens and tickets" of specs/client.md.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, TokenError } from "../../src/errors.js";
import { settled } from "../support/clock.js";
import { connected, EPOCH, harness, opened } from "../support/harness.js";
import type { FakeSocket } from "../support/network.js";

/** A callback whose calls the test answers. */
function callback(): { (): Promise<string | null>; calls: PromiseWithResolvers[] } {
  const calls: PromiseWithResolvers[] = [];
  const ask = (): Promise<string | null> =>
    new Promise((resolve, reject) => {
      calls.push({ resolve, reject });
    });
  return Object.assign(ask, { calls });
}

/** Has the server answer each `refresh` with a token of this lifetime. Gives their number. */
function setRefreshed(socket: FakeSocket, lifetimeMs: number): () => number {
  socket.onsent = ({ type, id }) => {
    if (type === "refresh") socket.receive({ type: "refreshed", id, expires_in_ms: lifetimeMs });
  };
  return () => socket.all("refresh").length;
}

interface PromiseWithResolvers {
  resolve(token: string | null): void;
  reject(error: Error): void;
}

/** A callback that gives t1, t2, ... */
function counting(): { (): string; count: number } {
  const next = Object.assign(() => `t${(next.count += 1)}`, { count: 0 });
  return next;
}

test("connecting (token): the callback comes first, then the transport, then connect with the token", async () => {
  const token = callback();
  const { client, network } = harness({ token });
  client.connect();
  await settled();
  assert.equal(network.sockets.length, 0);
  token.calls[0]?.resolve("abc");
  await settled();
  network.last.open();
  assert.equal(network.last.last("connect")["token"], "abc");
  assert.equal("ticket" in network.last.last("connect"), false);
});

test("a callback that fails: waiting with backoff, told, and asked again", async () => {
  const token = callback();
  const { client, clock, errors, states } = harness({ token });
  client.connect();
  token.calls[0]?.reject(new Error("no network"));
  await settled();
  assert.equal(client.state, "waiting");
  assert.match(errors[0]?.message ?? "", /the token callback failed: Error: no network/);
  assert.ok(states.at(-1)?.change.cause instanceof TokenError);
  await clock.advance(500);
  assert.equal(token.calls.length, 2);
});

test("a callback that throws at once, or gives nothing, fails as well", async () => {
  const throwing = (): string => {
    throw new Error("at once");
  };
  for (const token of [throwing, () => "" as string, () => undefined as never]) {
    const { client, errors } = harness({ token });
    client.connect();
    await settled();
    assert.equal(client.state, "waiting");
    assert.ok(errors[0] instanceof TokenError);
  }
});

test("a callback that takes more than 30 s has failed; the next attempt asks anew, and the late answer is dropped", async () => {
  const token = callback();
  const { client, clock, network } = harness({ token });
  client.connect();
  await clock.advance(29_999);
  assert.equal(client.state, "connecting");
  await clock.advance(1);
  assert.equal(client.state, "waiting");
  token.calls[0]?.resolve("late");
  await clock.advance(500);
  assert.equal(network.sockets.length, 0);
  token.calls[1]?.resolve("fresh");
  await settled();
  network.last.open();
  assert.equal(network.last.last("connect")["token"], "fresh");
});

test("a token that comes when the client is closed opens nothing", async () => {
  const token = callback();
  const { client, network } = harness({ token });
  client.connect();
  await client.close();
  token.calls[0]?.resolve("late");
  await settled();
  assert.equal(client.state, "closed");
  assert.equal(network.sockets.length, 0);
});

test("a callback that says that there is none closes the client", async () => {
  const { client, states } = harness({ token: () => null });
  client.connect();
  await settled();
  assert.equal(client.state, "closed");
  assert.match(states.at(-1)?.change.cause?.message ?? "", /there is no token/);
});

test("the ticket of the last session is presented in place of a token", async () => {
  const token = counting();
  const made = harness({ token });
  made.client.connect();
  await made.open({ ticket: "k1" });
  made.client.disconnect();
  await made.clock.advance(1_000);
  await made.open();
  assert.equal(made.socket.last("connect")["ticket"], "k1");
  assert.equal("token" in made.socket.last("connect"), false);
  assert.equal(token.count, 1);
  made.client.disconnect();
  await made.clock.advance(1_000);
  made.socket.open();
  assert.equal(made.socket.last("connect")["ticket"], "k1", "an answer without a ticket leaves the one before");
});

test("a ticket that is refused is dropped, and an attempt with a token begins at once", async () => {
  for (const code of [4004, 4501, 4502]) {
    for (const byFrame of [true, false]) {
      const made = harness({ token: counting() });
      made.client.connect();
      await made.open({ ticket: "k1" });
      made.client.disconnect();
      await made.clock.advance(1_000);
      made.socket.open();
      if (byFrame) made.socket.receive({ type: "disconnect", code, reason: "the ticket is too old", reconnect: false });
      else made.socket.end(code);
      await settled();
      assert.equal(made.client.state, "connecting");
      assert.equal(made.network.sockets.length, 3);
      made.socket.open();
      assert.equal(made.socket.last("connect")["token"], "t2");
      made.socket.receive({ type: "disconnect", code, reason: "and so is the token", reconnect: false });
      assert.equal(made.client.state, code === 4004 ? "waiting" : "closed");
    }
  }
});

test("a client without a token survives a server that no longer knows its ticket", async () => {
  const made = await opened({}, { ticket: "k1" });
  made.client.disconnect();
  await made.clock.advance(1_000);
  made.socket.open();
  made.socket.receive({ type: "disconnect", code: 4004, reason: "the ticket has expired", reconnect: true });
  await made.open();
  assert.equal(made.client.state, "open");
  assert.equal("ticket" in made.socket.last("connect"), false);
});

test("4501 on an open connection that was made with a ticket closes the client", async () => {
  const made = await opened({}, { ticket: "k1" });
  made.client.disconnect();
  await made.clock.advance(1_000);
  await made.open();
  made.socket.receive({ type: "disconnect", code: 4501, reason: "revoked", reconnect: false });
  assert.equal(made.client.state, "closed");
});

test("4004 to a connection that began with a ticket: at once with the token, a fixed one too", async () => {
  const made = harness({ token: "fixed" });
  made.client.connect();
  await made.open({ ticket: "k1" });
  made.client.disconnect();
  await made.clock.advance(1_000);
  await made.open();
  made.socket.receive({ type: "disconnect", code: 4004, reason: "the ticket has expired", reconnect: true });
  assert.equal(made.client.state, "connecting");
  await made.open();
  assert.equal(made.socket.last("connect")["token"], "fixed");
  made.socket.receive({ type: "disconnect", code: 4004, reason: "and so has the token", reconnect: true });
  assert.equal(made.client.state, "closed");
});

test("a ticket that is refused behind 5 s of open counts from anew", async () => {
  const made = harness({ token: "fixed", random: () => 0.999999 });
  made.client.connect();
  for (let count = 0; count < 4; count += 1) {
    made.socket.end();
    await made.clock.advance(20_000);
  }
  await made.open({ ticket: "k1", ping_interval_ms: 0 });
  made.socket.end();
  await made.clock.advance(20_000);
  await made.open({ ping_interval_ms: 0 });
  await made.clock.advance(5_000);
  made.socket.end(4004, "expired");
  await settled();
  assert.equal(made.client.state, "connecting");
  made.socket.end();
  assert.equal(made.states.at(-1)?.change.delayMs, 999, "the second end");
});

test("4004 to a connection that began with a ticket and has a token since: backoff counts", async () => {
  const made = harness({ token: counting() });
  made.client.connect();
  await made.open({ ticket: "k1" });
  made.client.disconnect();
  await made.clock.advance(1_000);
  await made.open({ expires_in_ms: 1_000 });
  await made.clock.advance(800);
  made.socket.receive({ type: "refreshed", id: made.socket.last("refresh")["id"], expires_in_ms: 1_000 });
  made.socket.receive({ type: "disconnect", code: 4004, reason: "expired", reconnect: true });
  assert.equal(made.client.state, "waiting");
});

test("4004 with a callback: at once with a fresh token, then by backoff while none is open for 5 s", async () => {
  const made = harness({ token: counting() });
  made.client.connect();
  await made.open({ ticket: "k1" });
  const expire = (): void => made.socket.receive({ type: "disconnect", code: 4004, reason: "expired", reconnect: true });
  expire();
  assert.equal(made.client.state, "connecting");
  await settled();
  made.socket.open();
  assert.equal(made.socket.last("connect")["token"], "t2");
  assert.equal("ticket" in made.socket.last("connect"), false);
  expire();
  assert.equal(made.client.state, "waiting");
  await made.clock.advance(1_000);
  await made.open();
  await made.clock.advance(5_000);
  expire();
  assert.equal(made.client.state, "connecting");
});

test("4004 without a callback closes the client", async () => {
  for (const options of [{}, { token: "fixed" }]) {
    const { client, socket, states } = await opened(options);
    socket.receive({ type: "disconnect", code: 4004, reason: "expired", reconnect: true });
    assert.equal(client.state, "closed");
    assert.ok(states.at(-1)?.change.cause instanceof ClosedError);
  }
});

test("at 80 % of its lifetime the token is replaced, and so is the ticket", async () => {
  const token = counting();
  const made = harness({ token });
  made.client.connect();
  await made.open({ expires_in_ms: 100_000, ping_interval_ms: 0, ticket: "k1" });
  await made.clock.advance(79_999);
  assert.equal(token.count, 1);
  await made.clock.advance(1);
  const refresh = made.socket.last("refresh");
  assert.equal(refresh["token"], "t2");
  made.socket.receive({ type: "refreshed", id: refresh["id"], expires_in_ms: 10_000, ticket: "k2" });
  await made.clock.advance(8_000);
  assert.equal(made.socket.last("refresh")["token"], "t3");
  made.client.disconnect();
  await made.clock.advance(1_000);
  made.socket.open();
  assert.equal(made.socket.last("connect")["ticket"], "k2");
});

test("a fixed token, or a token without an end, is never replaced", async () => {
  const fixed = await opened({ token: "fixed" }, { expires_in_ms: 1_000, ping_interval_ms: 0 });
  const endless = await opened({ token: () => "t" }, { ping_interval_ms: 0 });
  for (const { clock, socket } of [fixed, endless]) {
    await clock.advance(10_000_000);
    assert.equal(socket.all("refresh").length, 0);
  }
});

test("a refresh that fails for a time is tried again; one that is refused is left alone", async () => {
  const answers = [() => Promise.reject(new Error("no network")), async () => "t2", async () => "t3"];
  let next = -1;
  const token = async (): Promise<string> => (next < 0 ? ((next = 0), "t1") : (answers[next++] ?? answers[2]!)());
  const made = harness({ token });
  made.client.connect();
  await made.open({ expires_in_ms: 10_000, ping_interval_ms: 0 });
  await made.clock.advance(8_000);
  assert.equal(made.errors.length, 1);
  await made.clock.advance(500);
  const first = made.socket.last("refresh");
  made.socket.receive({ type: "error", id: first["id"], code: "unavailable", message: "busy", temporary: true, retry_after_ms: 700 });
  await made.clock.advance(699);
  assert.equal(made.socket.all("refresh").length, 1);
  await made.clock.advance(1);
  const second = made.socket.last("refresh");
  assert.equal(second["token"], "t3");
  made.socket.receive({ type: "error", id: second["id"], code: "forbidden", message: "another user", temporary: false });
  await made.clock.advance(1_000_000);
  assert.equal(made.socket.all("refresh").length, 2);
  assert.equal(made.client.state, "open");
});

test("a callback that says at a refresh that there is no token closes the client", async () => {
  const tokens = ["t1", null];
  const made = harness({ token: () => tokens.shift() ?? null });
  made.client.connect();
  await made.open({ expires_in_ms: 10_000, ping_interval_ms: 0 });
  await made.clock.advance(8_000);
  assert.equal(made.client.state, "closed");
});

test("a callback that says so when the connection is gone closes the client all the same", async () => {
  const token = callback();
  const made = harness({ token });
  made.client.connect();
  token.calls[0]?.resolve("t1");
  await made.open({ ticket: "k1", expires_in_ms: 10_000, ping_interval_ms: 0 });
  await made.clock.advance(8_000);
  assert.equal(token.calls.length, 2);
  made.client.disconnect();
  token.calls[1]?.resolve(null);
  await settled();
  assert.equal(made.client.state, "closed");
});

test("a token that is about to expire whenever it comes is asked for every 500 ms, not more often", async () => {
  const token = counting();
  const made = harness({ token });
  made.client.connect();
  await made.open({ expires_in_ms: 0, ping_interval_ms: 0 });
  const answered = setRefreshed(made.socket, 0);
  await made.clock.advance(5_000);
  assert.equal(answered(), 10);
});

test("one call of the callback is under way at a time", async () => {
  const token = callback();
  const made = harness({ token });
  made.client.connect();
  token.calls[0]?.resolve("t1");
  await made.open({ expires_in_ms: 10_000, ping_interval_ms: 0 });
  await made.clock.advance(8_000);
  assert.equal(token.calls.length, 2, "the refresh asks");
  made.client.disconnect();
  await made.clock.advance(1_000);
  assert.equal(token.calls.length, 2, "the attempt waits for the same call");
  token.calls[1]?.resolve("t2");
  await settled();
  made.socket.open();
  assert.equal(made.socket.last("connect")["token"], "t2");
  assert.equal(made.network.sockets[0]?.all("refresh").length, 0);
});

test("behind a sleep in which the time for it has passed, the token is replaced at once", async () => {
  const token = counting();
  const made = harness({ token });
  made.client.connect();
  await made.open({ expires_in_ms: 10_000, ping_interval_ms: 3_600_000 });
  made.clock.sleep(8_000);
  made.client.wake();
  await settled();
  assert.equal(made.socket.last("refresh")["token"], "t2");
});

test("token_expired to a publication or a subscription: the token is replaced, and it is tried again", async () => {
  const made = harness({ token: counting() });
  made.client.connect();
  await made.open({ expires_in_ms: 1_000_000, ping_interval_ms: 0 });
  const published = made.client.publish("a", 1);
  const room = made.client.subscribe("a");
  await settled();
  for (const type of ["publish", "subscribe"]) {
    const { id } = made.socket.last(type);
    made.socket.receive({ type: "error", id, code: "token_expired", message: "take a fresh one", temporary: false });
  }
  await settled();
  assert.equal(made.socket.all("refresh").length, 1);
  const refresh = made.socket.last("refresh");
  made.socket.receive({ type: "refreshed", id: refresh["id"] });
  await made.clock.advance(500);
  assert.equal(made.socket.all("publish").length, 2);
  assert.equal(made.socket.all("subscribe").length, 2);
  made.socket.receive({ type: "published", id: made.socket.last("publish")["id"], epoch: EPOCH, seq: 4 });
  assert.deepEqual(await published, { epoch: EPOCH, seq: 4, duplicate: false });
  assert.equal(room.state, "subscribing");
});

test("token_expired without a callback is a refusal like any other", async () => {
  const { client, socket } = await opened();
  const published = client.publish("a", 1);
  await settled();
  const { id } = socket.last("publish");
  socket.receive({ type: "error", id, code: "token_expired", message: "take a fresh one", temporary: false });
  await assert.rejects(published, /token_expired: take a fresh one/);
});

test("what is presented is the same in both codecs", async () => {
  for (const codec of ["json", "cbor"] as const) {
    const made = harness({ codec, token: () => "té" });
    made.client.connect();
    await settled();
    made.socket.open();
    assert.equal(made.socket.last("connect")["token"], "té");
    made.socket.receive(connected(made.socket));
    assert.equal(made.client.state, "open");
  }
});
