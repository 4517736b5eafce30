// Subscriptions of a client: states, repairs, retries, pauses, and how the application takes what comes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, ContentError, RefusedError } from "../../src/errors.js";
import type { Message, Subscription, SubscriptionEvent, SubscriptionState } from "../../src/subscription/subscription.js";
import { settled } from "../support/clock.js";
import { EPOCH, type Harness, harness, message, opened, record } from "../support/harness.js";
import type { Wire } from "../support/network.js";

const longest = (): number => 0.999999;

/** The states of a subscription, from now on. */
function statesOf(room: Subscription): SubscriptionState[] {
  const states: SubscriptionState[] = [];
  room.on("state", (state) => states.push(state));
  return states;
}

/** The numbers of its messages, from now on. */
function seqsOf(room: Subscription): (number | undefined)[] {
  const seqs: (number | undefined)[] = [];
  room.on("message", ({ seq }) => seqs.push(seq));
  return seqs;
}

/** Answers the last `subscribe`. Gives the number that it had. */
function answer(made: Harness, fields: Wire = {}): number {
  const { id, sub } = made.socket.last("subscribe");
  made.socket.receive({ type: "subscribed", id, sub, epoch: EPOCH, seq: 0, outcome: "live", ...fields });
  return sub as number;
}

function refuse(made: Harness, type: string, fields: Wire): void {
  made.socket.receive({ type: "error", id: made.socket.last(type)["id"], message: "no", ...fields });
}

/** A client with one subscription that is live at 0. */
async function live(options = {}): Promise<{ made: Harness; room: Subscription; sub: number }> {
  const made = await opened(options);
  const room = made.client.subscribe("a");
  return { made, room, sub: answer(made) };
}

test("subscribe while open: it is sent at once, and its outcome makes it live", async () => {
  const made = await opened();
  const room = made.client.subscribe("a:1", { start: { last: 3 }, policy: { type: "latest", interval_ms: 50 } });
  const { id, sub } = made.socket.last("subscribe");
  assert.deepEqual(made.socket.last("subscribe"), {
    type: "subscribe",
    id,
    sub,
    channel: "a:1",
    start: { last: 3 },
    policy: { type: "latest", interval_ms: 50 },
  });
  assert.equal(room.state, "subscribing");
  assert.equal(room.position, undefined);
  answer(made, { seq: 9, outcome: "snapshot", after: 6 });
  assert.equal(room.state, "recovering");
  made.socket.receive({ type: "page", sub, prev: 6, messages: [record(7), record(8), record(9)], more: false });
  assert.equal(room.state, "live");
  assert.deepEqual(room.position, { epoch: EPOCH, seq: 9 });
});

test("subscribe before connected: it goes with connect, and its outcome is in connected", async () => {
  const made = harness();
  const good = made.client.subscribe("a");
  const bad = made.client.subscribe("b");
  const late = made.client.subscribe("c");
  const errors: Error[] = [];
  bad.on("error", (error) => errors.push(error));
  await made.open({
    subscriptions: [
      { sub: 1, epoch: EPOCH, seq: 3, outcome: "live" },
      { sub: 2, error: { code: "forbidden", message: "not you", temporary: false } },
    ],
  });
  assert.equal(good.state, "live");
  assert.equal(bad.state, "failed");
  assert.ok(errors[0] instanceof RefusedError && errors[0].code === "forbidden");
  assert.equal(made.socket.all("subscribe").length, 1, "what connected does not mention is asked for again");
  assert.equal(made.socket.last("subscribe")["channel"], "c");
  assert.equal(made.socket.last("subscribe")["sub"], 4);
  answer(made);
  assert.equal(late.state, "live");
});

test("a subscription that is ended before connected comes is taken back", async () => {
  const made = harness();
  const room = made.client.subscribe("a");
  made.socket.open();
  room.unsubscribe();
  await made.open();
  assert.deepEqual(made.socket.last("unsubscribe")["sub"], 1);
});

test("a subscription that is made when the connection opens is asked for once", async () => {
  const made = harness();
  const rooms: Subscription[] = [];
  made.client.on("state", (state) => state === "open" && void rooms.push(made.client.subscribe("a")));
  made.client.connect();
  await made.open();
  assert.equal(made.socket.all("subscribe").length, 1);
  const sub = answer(made);
  assert.equal(rooms[0]?.state, "live");
  const seqs = seqsOf(rooms[0]!);
  made.socket.receive(message(sub, 0, 1));
  assert.deepEqual(seqs, [1]);
});

test("connect takes 32 KiB of subscriptions, and the others follow", async () => {
  const made = harness();
  const name = "x".repeat(200);
  for (let count = 0; count < 200; count += 1) made.client.subscribe(name);
  await made.open();
  const asked = made.socket.last("connect")["subscriptions"] as Wire[];
  assert.equal(asked.length, Math.floor((32 * 1024) / 300));
  assert.equal(made.socket.all("subscribe").length, 200 - asked.length);
});

test("an error that is temporary: again after retry_after_ms, else by full jitter", async () => {
  const made = await opened({ random: longest });
  const room = made.client.subscribe("a");
  refuse(made, "subscribe", { code: "unavailable", temporary: true, retry_after_ms: 300 });
  assert.equal(room.state, "subscribing");
  await made.clock.advance(299);
  assert.equal(made.socket.all("subscribe").length, 1);
  await made.clock.advance(1);
  assert.equal(made.socket.all("subscribe").length, 2);
  for (const bound of [1_000, 2_000, 4_000]) {
    refuse(made, "subscribe", { code: "internal", temporary: true });
    const count = made.socket.all("subscribe").length;
    await made.clock.advance(bound - 2);
    assert.equal(made.socket.all("subscribe").length, count);
    await made.clock.advance(2);
    assert.equal(made.socket.all("subscribe").length, count + 1);
  }
  assert.notEqual(answer(made), 1, "each has a fresh number");
  assert.equal(room.state, "live");
});

test("an error that is not: failed, told, and the loop throws", async () => {
  const made = await opened();
  const room = made.client.subscribe("a");
  const next = room[Symbol.asyncIterator]().next();
  refuse(made, "subscribe", { code: "forbidden", temporary: false });
  assert.equal(room.state, "failed");
  await assert.rejects(next, (error) => error instanceof RefusedError && error.code === "forbidden");
});

test("unsubscribed by the server: again if it is temporary, else failed", async () => {
  const again = await live();
  again.made.socket.receive({
    type: "unsubscribed",
    sub: again.sub,
    error: { code: "unavailable", message: "moved", temporary: true, retry_after_ms: 10 },
  });
  assert.equal(again.room.state, "subscribing");
  await again.made.clock.advance(10);
  assert.deepEqual(again.made.socket.last("subscribe")["start"], { epoch: EPOCH, seq: 0 });

  const gone = await live();
  gone.made.socket.receive({ type: "unsubscribed", sub: gone.sub, error: { code: "forbidden", message: "no", temporary: false } });
  assert.equal(gone.room.state, "failed");
});

test("subscribed and ended again and again: by full jitter, until it was subscribed for 5 s", async () => {
  const { made, room, sub } = await live({ random: longest });
  const busy = { code: "unavailable", message: "busy", temporary: true };
  made.socket.receive({ type: "unsubscribed", sub, error: busy });
  for (const bound of [500, 1_000, 2_000]) {
    const count = made.socket.all("subscribe").length;
    await made.clock.advance(bound - 2);
    assert.equal(made.socket.all("subscribe").length, count);
    await made.clock.advance(2);
    made.socket.receive({ type: "unsubscribed", sub: answer(made), error: busy });
  }
  await made.clock.advance(4_000);
  const last = answer(made);
  await made.clock.advance(5_000);
  made.socket.receive({ type: "unsubscribed", sub: last, error: busy });
  await made.clock.advance(500);
  answer(made);
  assert.equal(room.state, "live");
});

test("a gap is repaired in its subscription: at once the first time, the connection stays", async () => {
  const { made, room, sub } = await live();
  const other = made.client.subscribe("b");
  const otherSub = answer(made);
  const seqs = seqsOf(room);
  const states = statesOf(room);
  made.socket.receive(message(sub, 0, 1), message(sub, 2, 3), message(sub, 3, 4));
  assert.deepEqual(seqs, [1]);
  assert.deepEqual(states, ["subscribing"]);
  assert.equal(made.socket.last("unsubscribe")["sub"], sub);
  assert.deepEqual(made.socket.last("subscribe")["start"], { epoch: EPOCH, seq: 1 });
  const fresh = answer(made, { seq: 4, outcome: "deltas", after: 1 });
  assert.notEqual(fresh, sub);
  made.socket.receive(message(sub, 3, 4), message(fresh, 1, 2), message(fresh, 2, 3), message(fresh, 3, 4));
  assert.deepEqual(seqs, [1, 2, 3, 4]);
  assert.deepEqual(states, ["subscribing", "recovering", "live"]);
  assert.equal(made.client.stats.gaps, 1);
  assert.equal(made.client.stats.doubled, 0);
  assert.equal(made.network.sockets.length, 1);
  assert.equal(other.state, "live");
  assert.ok(otherSub > 0);
});

test("a gap behind which no record came is repaired by full jitter; a record makes up for it", async () => {
  const { made, room, sub } = await live({ random: longest });
  made.socket.receive(message(sub, 2, 3));
  let count = made.socket.all("subscribe").length;
  for (const bound of [500, 1_000]) {
    const fresh = answer(made, { seq: 5, outcome: "deltas", after: 0 });
    made.socket.receive(message(fresh, 2, 3));
    await made.clock.advance(bound - 2);
    assert.equal(made.socket.all("subscribe").length, count);
    await made.clock.advance(2);
    count += 1;
    assert.equal(made.socket.all("subscribe").length, count);
  }
  const fresh = answer(made, { seq: 5, outcome: "deltas", after: 0 });
  made.socket.receive(message(fresh, 0, 1), message(fresh, 2, 3));
  assert.equal(made.socket.all("subscribe").length, count + 1, "at once again");
  assert.equal(room.state, "subscribing");
});

test("the connection goes: subscribing, and the next connect has the position", async () => {
  const { made, room, sub } = await live();
  const seqs = seqsOf(room);
  made.socket.receive(message(sub, 0, 1), message(sub, 1, 2));
  made.socket.end();
  assert.equal(room.state, "subscribing");
  await made.clock.advance(1_000);
  made.socket.open();
  const [asked] = made.socket.last("connect")["subscriptions"] as Wire[];
  assert.deepEqual(asked, { sub: sub + 1, channel: "a", start: { epoch: EPOCH, seq: 2 } });
  await made.open({ subscriptions: [{ sub: sub + 1, epoch: EPOCH, seq: 4, outcome: "deltas", after: 2 }] });
  assert.equal(room.state, "recovering");
  made.socket.receive({ type: "page", sub: sub + 1, prev: 2, messages: [record(3), record(4)], more: false });
  assert.equal(room.state, "live");
  assert.deepEqual(seqs, [1, 2, 3, 4]);
});

test("a retry that waits goes with the next connect instead", async () => {
  const made = await opened();
  made.client.subscribe("a");
  refuse(made, "subscribe", { code: "unavailable", temporary: true, retry_after_ms: 50_000 });
  made.socket.end();
  await made.clock.advance(1_000);
  await made.open();
  assert.equal((made.socket.last("connect")["subscriptions"] as Wire[]).length, 1);
  await made.clock.advance(30_000);
  assert.equal(made.socket.all("subscribe").length, 0);
});

test("a start that is a position is known from the beginning", async () => {
  const made = await opened();
  const room = made.client.subscribe("a", { start: { epoch: EPOCH, seq: 7 } });
  const lost: unknown[] = [];
  room.on("lost", (gap) => lost.push(gap));
  assert.deepEqual(room.position, { epoch: EPOCH, seq: 7 });
  answer(made, { seq: 20, outcome: "truncated", after: 12 });
  assert.deepEqual(lost, [{ epoch: EPOCH, from: 7, to: 12 }]);
});

test("lost and reset are told in their place", async () => {
  const { made, room, sub } = await live();
  const events: unknown[] = [];
  room.on("message", ({ epoch, seq }) => events.push([epoch, seq]));
  room.on("lost", (lost) => events.push(lost));
  room.on("reset", (position) => events.push(position));
  const epoch = "00000000000000cc";
  made.socket.receive(
    { type: "lost", sub, from: 0, to: 4 },
    message(sub, 4, 5),
    { type: "reset", sub, epoch, seq: 0 },
    message(sub, 0, 1),
  );
  assert.deepEqual(events, [{ epoch: EPOCH, from: 0, to: 4 }, [EPOCH, 5], { epoch, seq: 0 }, [epoch, 1]]);
  assert.deepEqual(room.position, { epoch, seq: 1 });
});

test("a stream's end: told, the loop is over, and nothing is asked for again", async () => {
  const { made, room, sub } = await live();
  const ends: unknown[] = [];
  room.on("ended", (end) => ends.push(end));
  const loop = room[Symbol.asyncIterator]();
  made.socket.receive(message(sub, 0, 1), { type: "ended", sub, seq: 1 });
  assert.equal(room.state, "ended");
  assert.deepEqual(ends, [{ seq: 1 }]);
  assert.equal((await loop.next()).value?.seq, 1);
  assert.equal((await loop.next()).done, true);
  made.socket.end();
  await made.clock.advance(1_000);
  await made.open();
  assert.equal("subscriptions" in made.socket.last("connect"), false);
});

test("unsubscribe: sent, without an event, and nothing comes behind it", async () => {
  const { made, room, sub } = await live();
  const seqs = seqsOf(room);
  const states = statesOf(room);
  room.unsubscribe();
  assert.equal(made.socket.last("unsubscribe")["sub"], sub);
  made.socket.receive(message(sub, 0, 1));
  room.unsubscribe();
  assert.equal(made.socket.all("unsubscribe").length, 1);
  assert.deepEqual([seqs, states], [[], []]);
  assert.equal(room.state, "ended");
});

test("unsubscribe in the middle of a page ends it there", async () => {
  const { made, room, sub } = await live();
  const seqs: unknown[] = [];
  room.on("message", ({ seq }) => {
    seqs.push(seq);
    if (seq === 2) room.unsubscribe();
  });
  made.socket.receive({ type: "page", sub, prev: 0, messages: [record(1), record(2), record(3)], more: false });
  assert.deepEqual(seqs, [1, 2]);
  assert.equal(room.state, "ended");
});

test("a listener that drops the connection in the middle of a page is served on from there", async () => {
  const { made, room, sub } = await live();
  const seqs: unknown[] = [];
  room.on("message", ({ seq }) => {
    seqs.push(seq);
    if (seq === 2) made.client.disconnect();
  });
  made.socket.receive({ type: "page", sub, prev: 0, messages: [record(1), record(2), record(3)], more: false });
  assert.equal(room.state, "subscribing");
  await made.clock.advance(1_000);
  made.socket.open();
  const [asked] = made.socket.last("connect")["subscriptions"] as Wire[];
  assert.deepEqual(asked?.["start"], { epoch: EPOCH, seq: 3 });
  assert.deepEqual(seqs, [1, 2, 3]);
});

test("the client is closed: by the server it fails its subscriptions, by the application it ends them without a word", async () => {
  const first = await live();
  const states = statesOf(first.room);
  const errors: Error[] = [];
  first.room.on("error", (error) => errors.push(error));
  first.made.socket.end(4504, "banned");
  assert.deepEqual(states, ["failed"]);
  assert.ok(errors[0] instanceof ClosedError && errors[0].code === 4504);

  const second = await live();
  const quiet = statesOf(second.room);
  const loop = second.room[Symbol.asyncIterator]().next();
  await second.made.client.close();
  assert.deepEqual(quiet, []);
  assert.equal((await loop).done, true);
});

test("close leaves the server's subscriptions at once, while publications are waited for", async () => {
  const { made, sub } = await live();
  const published = made.client.publish("a", 1);
  await settled();
  const closing = made.client.close();
  assert.equal(made.socket.last("unsubscribe")["sub"], sub);
  made.socket.receive({ type: "published", id: made.socket.last("publish")["id"], epoch: EPOCH, seq: 1 });
  await Promise.all([published, closing]);
});

test("messages are held until somebody takes them", async () => {
  const { made, room, sub } = await live();
  made.socket.receive(message(sub, 0, 1), message(sub, 1, 2));
  const seqs = seqsOf(room);
  assert.deepEqual(seqs, [], "not while the listener is being added");
  await settled();
  assert.deepEqual(seqs, [1, 2]);
  made.socket.receive(message(sub, 2, 3));
  assert.deepEqual(seqs, [1, 2, 3]);
});

test("a listener that comes in the middle of a frame gets what was held before what follows", async () => {
  const { made, room, sub } = await live();
  made.socket.receive(message(sub, 0, 1));
  const seqs: (number | undefined)[] = [];
  room.on("lost", () => void room.on("message", ({ seq }) => seqs.push(seq)));
  made.socket.receive({ type: "lost", sub, from: 1, to: 2 }, message(sub, 2, 3));
  await settled();
  assert.deepEqual(seqs, [1, 3]);
});

test("content that is nested beyond all bounds is held like any other", async () => {
  const { made, room, sub } = await live();
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  made.socket.onmessage?.({ data: `{"type":"message","sub":${sub},"prev":0,"seq":1,"time":1,"data":${deep}}` });
  assert.equal(room.position?.seq, 1);
  made.socket.onmessage?.({ data: `{"type":"message","sub":${sub},"prev":${deep},"seq":2,"time":1,"data":1}` });
  assert.equal(made.client.state, "waiting", "a frame that cannot be read");
});

test("a loop that is left keeps the rest for the next one", async () => {
  const { made, room, sub } = await live();
  made.socket.receive(message(sub, 0, 1), message(sub, 1, 2), message(sub, 2, 3));
  const seen: unknown[] = [];
  for await (const { seq } of room) {
    seen.push(seq);
    if (seq === 2) break;
  }
  for await (const { seq } of room) {
    seen.push(seq);
    break;
  }
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a loop that waits gets what comes, and ends when it is told to", async () => {
  const { made, room, sub } = await live();
  const loop = room[Symbol.asyncIterator]();
  const first = loop.next();
  made.socket.receive(message(sub, 0, 1, { event: "note", publisher: "ann", data: { text: "hi" } }));
  assert.deepEqual((await first).value, {
    channel: "a",
    epoch: EPOCH,
    seq: 1,
    position: { epoch: EPOCH, seq: 1 },
    time: 1_001,
    data: { text: "hi" },
    event: "note",
    publisher: "ann",
    skipped: 0,
  } satisfies Message);
  const second = loop.next();
  assert.deepEqual(await loop.return?.(), { done: true, value: undefined });
  assert.deepEqual(await second, { done: true, value: undefined });
});

test("a loop that was made and never begun holds nothing back", async () => {
  const { made, room, sub } = await live();
  room.events();
  const seqs = seqsOf(room);
  for (let seq = 1; seq <= 2_000; seq += 1) made.socket.receive(message(sub, seq - 1, seq));
  assert.equal(seqs.length, 2_000);
  assert.equal(room.state, "live");
});

test("events() has everything in order", async () => {
  const made = await opened();
  const room = made.client.subscribe("a");
  const events: SubscriptionEvent<unknown>[] = [];
  const done = (async () => {
    for await (const event of room.events()) events.push(event);
  })();
  const sub = answer(made);
  made.socket.receive(message(sub, 0, 1), { type: "lost", sub, from: 1, to: 3 }, { type: "ended", sub, seq: 3 });
  await done;
  assert.deepEqual(
    events.map((event) => (event.type === "state" ? event.state : event.type)),
    ["live", "message", "lost", "ended", "ended"],
  );
});

test("an application that takes nothing: paused at 1,024 events, and on from there once half is taken", async () => {
  const { made, room, sub } = await live();
  const states = statesOf(room);
  let seq = 0;
  while (room.state === "live") made.socket.receive(message(sub, seq, (seq += 1)));
  assert.deepEqual(states, ["paused"]);
  assert.equal(made.socket.last("unsubscribe")["sub"], sub);
  assert.equal(made.client.stats.paused, 1);
  const received = made.client.stats.received;
  made.socket.receive(message(sub, seq, seq + 1));
  assert.equal(made.client.stats.received, received, "what was on its way is dropped");

  const seen: unknown[] = [];
  for await (const next of room) {
    seen.push(next.seq);
    if (made.socket.all("subscribe").length === 2) break;
  }
  assert.deepEqual(states, ["paused", "subscribing"]);
  assert.deepEqual(made.socket.last("subscribe")["start"], { epoch: EPOCH, seq });
  assert.ok(seen.length >= 512 && seen.length <= 513, `${seen.length}`);
  const fresh = answer(made, { seq: seq + 1, outcome: "deltas", after: seq });
  made.socket.receive(message(fresh, seq, seq + 1));
  for await (const next of room) {
    seen.push(next.seq);
    if (next.seq === seq + 1) break;
  }
  assert.deepEqual(seen, Array.from({ length: seq + 1 }, (_, index) => index + 1));
});

test("large content pauses at 4 MiB", async () => {
  const { made, room, sub } = await live();
  const data = "x".repeat(512 * 1024);
  for (let seq = 1; seq <= 4; seq += 1) made.socket.receive(message(sub, seq - 1, seq, { data }));
  assert.equal(room.state, "paused");
});

test("paused, the connection goes: connect does not have it", async () => {
  const { made, room, sub } = await live();
  for (let seq = 1; room.state === "live"; seq += 1) made.socket.receive(message(sub, seq - 1, seq));
  made.socket.end();
  assert.equal(room.state, "paused");
  await made.clock.advance(1_000);
  await made.open();
  assert.equal("subscriptions" in made.socket.last("connect"), false);
  assert.equal(made.socket.all("subscribe").length, 0);
  seqsOf(room);
  await settled();
  assert.equal(made.socket.all("subscribe").length, 1);
});

test("listeners are called at once and never pause", async () => {
  const { made, room, sub } = await live();
  const seqs = seqsOf(room);
  for (let seq = 1; seq <= 5_000; seq += 1) made.socket.receive(message(sub, seq - 1, seq));
  assert.equal(seqs.length, 5_000);
  assert.equal(room.state, "live");
});

test("an ephemeral message has no seq and no position", async () => {
  const { made, room, sub } = await live();
  const messages: Message[] = [];
  room.on("message", (next) => messages.push(next));
  made.socket.receive({ type: "message", sub, time: 5, data: "typing" });
  assert.equal(messages[0]?.seq, undefined);
  assert.equal(messages[0]?.position, undefined);
  assert.deepEqual(room.position, { epoch: EPOCH, seq: 0 });
});

test("content that parse refuses is told and left out, the next is not", async () => {
  const made = await opened();
  const number = (data: unknown): number => {
    if (typeof data !== "number") throw new Error("no number");
    return data;
  };
  const room = made.client.subscribe("a", { parse: number });
  const seen: number[] = [];
  const errors: Error[] = [];
  room.on("message", ({ data }) => seen.push(data));
  room.on("error", (error) => errors.push(error));
  const sub = answer(made);
  made.socket.receive(message(sub, 0, 1, { data: 5 }), message(sub, 1, 2, { data: "x" }), message(sub, 2, 3, { data: 7 }));
  assert.deepEqual(seen, [5, 7]);
  assert.ok(errors[0] instanceof ContentError);
  assert.match(errors[0].message, /a, record 2: its content was refused: Error: no number/);
  assert.equal(room.state, "live");
});

test("names, starts and policies that cannot be are refused where they are given", async () => {
  const { client, socket } = await opened();
  for (const name of ["", "a b", "ä", "x".repeat(201), "a\n"]) assert.throws(() => client.subscribe(name), /the channel/);
  const starts = ["later", { last: -1 }, { last: 1.5 }, { time: NaN }, { epoch: "xyz", seq: 1 }, { epoch: EPOCH, seq: -1 }, null, {}];
  for (const start of starts) assert.throws(() => client.subscribe("a", { start: start as never }), /start/);
  const policies = [{ type: "some" }, { type: "rollup" }, { type: "rollup", interval_ms: 0 }, { type: "latest", interval_ms: -1 }];
  for (const policy of policies) assert.throws(() => client.subscribe("a", { policy: policy as never }), /policy/);
  assert.equal(socket.all("subscribe").length, 0);
});
