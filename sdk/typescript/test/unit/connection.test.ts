// The table "The connection" of specs/client.md, row by row.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, LostError, ProtocolError } from "../../src/errors.js";
import { settled } from "../support/clock.js";
import { connected, EPOCH, type Harness, harness, message, opened } from "../support/harness.js";

/** A random number that gives the longest delays. */
const longest = (): number => 0.999999;
/** The delay below `bound` that `longest` gives. */
const almost = (bound: number): number => Math.floor(bound * 0.999999);

test("idle: nothing is dialled until something is asked for", async () => {
  const { client, network, clock } = harness();
  await clock.advance(60_000);
  assert.equal(client.state, "idle");
  assert.equal(network.sockets.length, 0);
});

test("idle, connect: an attempt begins, with the codec's subprotocol", async () => {
  for (const codec of ["json", "cbor"] as const) {
    const { client, socket } = await begun(codec);
    assert.equal(client.state, "connecting");
    assert.deepEqual(socket.protocols, [`longwire.v1.${codec}`]);
    assert.equal(socket.url, "ws://server.test/v1/connect");
    assert.equal(socket.binaryType, "arraybuffer");
  }
});

async function begun(codec: "json" | "cbor" = "json"): Promise<ReturnType<typeof harness>> {
  const made = harness({ codec });
  made.client.connect();
  await settled();
  return made;
}

test("connecting (transport), it opens: connect is sent with what is asked for so far", async () => {
  const { client, network } = harness({ token: "t" });
  client.subscribe("a", { start: "beginning" });
  client.subscribe("b", { policy: { type: "drop" } });
  network.last.open();
  assert.deepEqual(network.last.sent, [
    {
      type: "connect",
      id: 1,
      capabilities: 7,
      token: "t",
      client: "longwire-typescript/0.1.0",
      subscriptions: [
        { sub: 1, channel: "a", start: { beginning: true } },
        { sub: 2, channel: "b", policy: { type: "drop" } },
      ],
    },
  ]);
});

test("connecting (transport), it cannot open: backoff", async () => {
  const { client, socket, states } = await begun();
  socket.end(1006);
  assert.equal(client.state, "waiting");
  assert.ok(states.at(-1)?.change.cause instanceof LostError);
});

test("connecting (transport), an error without a close event behind it: backoff, once", async () => {
  const { client, socket, states } = await begun();
  socket.onerror?.();
  assert.equal(client.state, "waiting");
  socket.end(1006);
  assert.equal(states.length, 2);
});

test("open, an error: the close event behind it says what follows", async () => {
  const { client, socket } = await opened();
  socket.onerror?.();
  assert.equal(client.state, "open");
  socket.end(4504, "banned");
  assert.equal(client.state, "closed");
});

test("connecting (transport), the class refuses the URL: closed", async () => {
  const refusing = class {
    constructor() {
      throw new SyntaxError("no such scheme");
    }
  } as never;
  const { client, states } = harness({ WebSocket: refusing });
  client.connect();
  assert.equal(client.state, "closed");
  assert.match(states.at(-1)?.change.cause?.message ?? "", /cannot even be tried: SyntaxError: no such scheme/);
  await assert.rejects(client.publish("a", 1), (error) => error instanceof ClosedError && error.cause instanceof SyntaxError);
  assert.throws(() => client.connect(), ClosedError);
});

test("each cause says what to do, or what may be", async () => {
  const silent = await begun();
  await silent.clock.advance(20_000);
  const words = ({ states }: Harness): string => states.at(-1)?.change.cause?.message ?? "";
  assert.equal(words(silent), "no answer from ws://server.test/v1/connect within 20 s: check that it leads to a Longwire server");
  const dead = await opened();
  await dead.clock.advance(35_000);
  assert.equal(words(dead), "nothing came for 35 s: the network may be gone");
  const banned = await opened();
  banned.socket.end(4504);
  assert.equal(words(banned), "the server closed the connection for good with 4504: it gave no reason");
});

test("connecting (greeting), connected: open", async () => {
  const { client, states } = await opened({}, { user: "ann" });
  assert.equal(client.state, "open");
  assert.equal(client.session, "s1");
  assert.equal(client.user, "ann");
  assert.deepEqual(states.map(({ state, change }) => [change.from, state]), [
    ["idle", "connecting"],
    ["connecting", "open"],
  ]);
});

test("connecting: 20 s without an answer end the attempt, with and without a transport", async () => {
  for (const isOpen of [false, true]) {
    const { client, clock, socket } = await begun();
    if (isOpen) socket.open();
    await clock.advance(19_999);
    assert.equal(client.state, "connecting");
    await clock.advance(1);
    assert.equal(client.state, "waiting");
    assert.ok(socket.closed);
  }
});

test("connecting (greeting): other messages are ignored, and so is connected with another id", async () => {
  const { client, socket } = await begun();
  socket.open();
  socket.receive({ type: "ping" }, message(1, 0, 1), { type: "published", id: 1 }, { type: "from the future", x: [1] });
  socket.receive(connected(socket, { id: 99 }));
  assert.equal(client.state, "connecting");
  assert.equal(socket.sent.length, 1);
  socket.receive(connected(socket));
  assert.equal(client.state, "open");
});

test("connecting (greeting) and open, disconnect: by its verdict, and the transport is closed", async () => {
  for (const isOpen of [false, true]) {
    const made = await begun();
    made.socket.open();
    if (isOpen) made.socket.receive(connected(made.socket));
    made.socket.receive({ type: "disconnect", code: 4500, reason: "no message", reconnect: false });
    assert.equal(made.client.state, "closed");
    assert.ok(made.socket.closed);
    const cause = made.states.at(-1)?.change.cause;
    assert.ok(cause instanceof ClosedError && cause.code === 4500 && cause.reason === "no message");
  }
});

test("a Close frame has the verdict of its code where no disconnect came", async () => {
  const stopped = await opened();
  stopped.socket.end(4504, "banned");
  assert.equal(stopped.client.state, "closed");
  const back = await opened();
  back.socket.end(4000, "going away");
  assert.equal(back.client.state, "waiting");
});

test("the transport ends without a word: waiting, with cause and delay", async () => {
  const { client, socket, states } = await opened();
  socket.end();
  assert.equal(client.state, "waiting");
  const change = states.at(-1)?.change;
  assert.equal(change?.from, "open");
  assert.ok(change?.cause instanceof LostError && change.cause.code === 1006);
  assert.ok(change.delayMs !== undefined && change.delayMs < 1_000);
});

test("a frame that cannot be read: the transport is closed; backoff", async () => {
  const frames = ["{", "[1]", '{"type":"published","id":"x"}', '{"type":7}', new ArrayBuffer(1)];
  for (const frame of frames) {
    for (const isOpen of [false, true]) {
      const { client, socket, states } = await begun();
      socket.open();
      if (isOpen) socket.receive(connected(socket));
      socket.receiveRaw(frame);
      assert.equal(client.state, "waiting", String(frame));
      assert.ok(socket.closed);
      assert.ok(states.at(-1)?.change.cause instanceof ProtocolError);
    }
  }
});

test("what stands in a frame before the fault counts, what stands behind it does not", async () => {
  const made = await opened();
  const seen: unknown[] = [];
  made.client.subscribe("a").on("message", ({ seq }) => seen.push(seq));
  const { id, sub } = made.socket.last("subscribe");
  made.socket.receive(
    { type: "subscribed", id, sub, epoch: EPOCH, seq: 0, outcome: "live" },
    message(sub, 0, 1),
    { type: "message", sub },
    message(sub, 1, 2),
  );
  assert.deepEqual(seen, [1]);
  assert.equal(made.client.state, "waiting");
});

test("open, ping: pong is sent", async () => {
  const { socket } = await opened();
  socket.receive({ type: "ping" });
  assert.deepEqual(socket.sent.at(-1), { type: "pong" });
});

test("open, connected again: it is ignored", async () => {
  const { client, socket } = await opened();
  socket.receive(connected(socket, { session: "s2" }));
  assert.equal(client.session, "s1");
  assert.equal(client.stats.reconnects, 0);
});

test("disconnect() drops the transport; the client comes back", async () => {
  const made = await opened();
  made.client.disconnect();
  assert.equal(made.client.state, "waiting");
  assert.ok(made.network.sockets[0]?.closed);
  await made.clock.advance(1_000);
  await made.open();
  assert.equal(made.client.state, "open");
  assert.equal(made.client.stats.reconnects, 1);
});

test("disconnect() without a transport does nothing", () => {
  const { client } = harness();
  client.disconnect();
  assert.equal(client.state, "idle");
});

test("waiting, its time has come: an attempt begins", async () => {
  const { client, clock, socket, states, network } = await opened({ random: longest });
  socket.end();
  const delay = states.at(-1)?.change.delayMs ?? 0;
  await clock.advance(delay - 1);
  assert.equal(client.state, "waiting");
  await clock.advance(1);
  assert.equal(client.state, "connecting");
  assert.equal(network.sockets.length, 2);
});

test("waiting, wake: an attempt begins at once, and only one", async () => {
  const { client, clock, socket, network } = await opened();
  socket.receive({ type: "disconnect", code: 4000, reason: "", reconnect: true, retry_after_ms: 60_000 });
  client.wake();
  assert.equal(client.state, "connecting");
  await clock.advance(10_000);
  assert.equal(network.sockets.length, 2);
});

test("what an old transport still says is not heard", async () => {
  const { client, socket, network, clock } = await opened();
  client.disconnect();
  await clock.advance(1_000);
  assert.equal(network.sockets.length, 2);
  socket.receive(connected(socket), { type: "disconnect", code: 4500, reason: "" });
  socket.end(4500);
  assert.equal(client.state, "connecting");
});

test("closed: nothing happens any more, and commands fail with the cause", async () => {
  const { client, socket, network, clock, states } = await opened();
  socket.end(4504, "banned");
  const count = states.length;
  client.wake();
  client.disconnect();
  assert.throws(() => client.connect(), /4504: banned/);
  assert.throws(() => client.subscribe("a"), /4504: banned/);
  await assert.rejects(client.publish("a", 1), /4504: banned/);
  await assert.rejects(client.history("a"), /4504: banned/);
  await client.close();
  await clock.advance(100_000);
  assert.equal(network.sockets.length, 1);
  assert.equal(states.length, count);
  assert.equal(clock.pending, 0);
});

test("delays: the server's window first, then 500 ms doubled up to 20 s", async () => {
  const { socket, network, clock, states } = await opened({ random: longest }, { reconnect_window_ms: 3_000 });
  socket.end();
  const delays = [states.at(-1)?.change.delayMs ?? -1];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    await clock.advance(delays.at(-1) ?? 0);
    network.last.end();
    delays.push(states.at(-1)?.change.delayMs ?? -1);
  }
  const bounds = [3_000, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000];
  assert.deepEqual(delays, bounds.map(almost));
});

test("the first delay of a client that was never open is below 500 ms", async () => {
  const { socket, states } = await (async () => {
    const made = harness({ random: longest });
    made.client.connect();
    return made;
  })();
  socket.end();
  assert.equal(states.at(-1)?.change.delayMs, almost(500));
});

test("5 s of open make up for the failures before", async () => {
  for (const [openFor, bound] of [
    [4_999, 1_000],
    [5_000, 3_000],
  ] as const) {
    const made = harness({ random: longest });
    made.client.connect();
    made.socket.end();
    await made.clock.advance(500);
    await made.open({ reconnect_window_ms: 3_000 });
    await made.clock.advance(openFor);
    made.socket.end();
    assert.equal(made.states.at(-1)?.change.delayMs, almost(bound), `open for ${openFor} ms`);
  }
});

test("retry_after_ms is taken exactly, up to an hour", async () => {
  for (const [given, taken] of [
    [0, 0],
    [12_345, 12_345],
    [10_000_000, 3_600_000],
  ]) {
    const { socket, states } = await opened();
    socket.receive({ type: "disconnect", code: 4005, reason: "full", reconnect: true, retry_after_ms: given });
    assert.equal(states.at(-1)?.change.delayMs, taken);
  }
});

test("no wait that a server names is longer than an hour", async () => {
  const made = await opened({ random: () => 0.999999 }, { reconnect_window_ms: 2 ** 50 });
  made.socket.end();
  assert.equal(made.states.at(-1)?.change.delayMs, 3_599_996);
  await made.clock.advance(3_600_000);
  await made.open();
  const room = made.client.subscribe("a");
  const published = made.client.publish("b", 1);
  const asked = made.client.history("c");
  await settled();
  for (const type of ["subscribe", "publish", "history"]) {
    const { id } = made.socket.last(type);
    made.socket.receive({ type: "error", id, code: "unavailable", message: "busy", temporary: true, retry_after_ms: 2 ** 50 });
  }
  const socket = made.socket;
  const sentBefore = socket.sent.length;
  for (let second = 0; second < 3_600; second += 30) {
    await made.clock.advance(30_000);
    socket.receive({ type: "ping" });
  }
  const again = socket.sent.slice(sentBefore).map(({ type }) => type).filter((type) => type !== "pong");
  assert.deepEqual(again.sort(), ["history", "publish", "subscribe"]);
  room.unsubscribe();
  await Promise.all([made.client.close({ timeoutMs: 0 }), made.clock.advance(0), Promise.allSettled([published, asked])]);
});

test("full jitter spreads over the whole range", async () => {
  const delays = new Set<number>();
  for (let part = 0; part < 10; part += 1) {
    const { socket, states } = await opened({ random: () => part / 10 }, { reconnect_window_ms: 1_000 });
    socket.end();
    delays.add(states.at(-1)?.change.delayMs ?? -1);
  }
  assert.deepEqual([...delays], [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
});

test("no message for ping interval and pong timeout: the connection is dead", async () => {
  const { client, socket, clock, states } = await opened();
  await clock.advance(30_000);
  socket.receive({ type: "ping" });
  await clock.advance(34_999);
  assert.equal(client.state, "open");
  await clock.advance(1);
  assert.equal(client.state, "waiting");
  assert.match(states.at(-1)?.change.cause?.message ?? "", /nothing came for 35 s/);
});

test("any message counts as life", async () => {
  const { client, socket, clock } = await opened();
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(34_000);
    socket.receive({ type: "something new" });
  }
  assert.equal(client.state, "open");
});

test("with a ping interval of 0 there is no limit", async () => {
  const { client, clock } = await opened({}, { ping_interval_ms: 0 });
  await clock.advance(10_000_000);
  client.wake();
  assert.equal(client.state, "open");
});

test("wake behind a sleep that was too long: dead at once; behind a short one: nothing", async () => {
  const { client, clock } = await opened();
  clock.sleep(35_000);
  client.wake();
  assert.equal(client.state, "open");
  clock.sleep(1);
  client.wake();
  assert.equal(client.state, "waiting");
});

test("a machine that slept is noticed by the wall clock alone", async () => {
  const { client, clock } = await opened();
  clock.sleep(3_600_000);
  await clock.advance(5_000);
  assert.equal(client.state, "waiting");
});

test("timers that run late by a minute each do not end a connection that is alive", async () => {
  const { client, socket, clock } = await opened();
  for (let minute = 0; minute < 10; minute += 1) {
    // Messages arrive on time in a page in the background; its timers do not.
    clock.sleep(25_000);
    socket.receive({ type: "ping" });
    clock.sleep(25_000);
    socket.receive({ type: "ping" });
    await clock.advance(5_000);
  }
  assert.equal(client.state, "open");
});

test("a listener that throws disturbs nobody, and is reported", async () => {
  const made = harness();
  const seen: string[] = [];
  made.client.on("state", () => {
    throw new Error("of the application");
  });
  made.client.on("state", (state) => seen.push(state));
  const reported: unknown[] = [];
  globalThis.reportError = (error: unknown) => void reported.push(error);
  try {
    made.client.connect();
  } finally {
    Reflect.deleteProperty(globalThis, "reportError");
  }
  assert.match(String(reported), /of the application/);
  assert.deepEqual(seen, ["connecting"]);
});

test("a listener can be removed", async () => {
  const made = harness();
  const seen: string[] = [];
  const remove = made.client.on("state", (state) => seen.push(state));
  made.client.connect();
  remove();
  await made.open();
  assert.deepEqual(seen, ["connecting"]);
});

test("close in a listener ends what is under way", async () => {
  const made = harness();
  made.client.on("state", (state) => void (state === "connecting" && made.client.close({ timeoutMs: 0 })));
  made.client.connect();
  await settled();
  assert.equal(made.client.state, "closed");
  assert.equal(made.clock.pending, 0);
});
