// "Publications" and "Close" of specs/client.md, and history: row by row.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClosedError,
  NotAnsweredError,
  NotSentError,
  QueueFullError,
  RefusedError,
  UnknownOutcomeError,
} from "../../src/errors.js";
import { settled } from "../support/clock.js";
import { EPOCH, type Harness, harness, LIMITS, opened, record } from "../support/harness.js";
import type { Wire } from "../support/network.js";

const longest = (): number => 0.999999;

/** Answers the publication with this content. */
function accept(made: Harness, data: unknown, seq: number, fields: Wire = {}): void {
  made.socket.receive({ type: "published", id: sent(made, data)["id"], epoch: EPOCH, seq, ...fields });
}

function refuse(made: Harness, data: unknown, fields: Wire = {}): void {
  made.socket.receive({ type: "error", id: sent(made, data)["id"], code: "rate_limited", message: "slower", temporary: true, ...fields });
}

/** The last `publish` with this content. */
function sent(made: Harness, data: unknown): Wire {
  const found = made.socket.all("publish").filter((message) => message["data"] === data);
  assert.ok(found.length > 0, `${String(data)} was not sent`);
  return found.at(-1)!;
}

/** The contents that were sent over the last socket, in order. */
const order = (made: Harness): unknown[] => made.socket.all("publish").map((message) => message["data"]);

async function reopened(made: Harness): Promise<void> {
  made.socket.end();
  await made.clock.advance(1_000);
  await made.open();
}

test("publish: sent with a key of its own, resolved with its position", async () => {
  const made = await opened();
  const first = made.client.publish("a", { text: "hi" }, { event: "note" });
  const second = made.client.publish("b", "x", { key: "mine" });
  await settled();
  const [one, two] = made.socket.all("publish") as [Wire, Wire];
  assert.deepEqual(one, { type: "publish", id: one["id"], channel: "a", data: { text: "hi" }, event: "note", key: one["key"] });
  assert.match(String(one["key"]), /^[0-9a-f]{32}:1$/);
  assert.equal(two["key"], "mine");
  made.socket.receive({ type: "published", id: one["id"], epoch: EPOCH, seq: 8, duplicate: true });
  accept(made, "x", 2);
  assert.deepEqual(await first, { epoch: EPOCH, seq: 8, duplicate: true });
  assert.deepEqual(await second, { epoch: EPOCH, seq: 2, duplicate: false });
  assert.equal(made.client.stats.published, 2);
  assert.equal(made.client.stats.pending, 0);
});

test("bytes are bytes in both codecs", async () => {
  for (const codec of ["json", "cbor"] as const) {
    const made = await opened({ codec });
    void made.client.publish("a", new Uint8Array([0, 1, 255]));
    void made.client.publish("a", new Uint16Array([0x0201]).buffer);
    await settled();
    const [view, buffer] = made.socket.all("publish") as [Wire, Wire];
    if (codec === "json") {
      assert.deepEqual([view["base64"], buffer["base64"]], ["AAH/", "AQI="]);
    } else {
      assert.deepEqual([view["data"], buffer["data"]], [new Uint8Array([0, 1, 255]), new Uint8Array([1, 2])]);
    }
  }
});

test("content is taken as it is at the call", async () => {
  const made = harness();
  const data = { count: 1 };
  void made.client.publish("a", data);
  data.count = 2;
  await made.open();
  assert.deepEqual(made.socket.last("publish")["data"], { count: 1 });
});

test("content that JSON does not have is refused where it is given", async () => {
  const { client } = await opened();
  const circle: { self?: unknown } = {};
  circle.self = circle;
  for (const data of [undefined, () => 1, Symbol("x"), 1n, { a: { b: 1n } }, [new Uint8Array(1)], circle]) {
    await assert.rejects(client.publish("a", data), TypeError);
  }
  await assert.rejects(client.publish("a", { a: [1, 2n] }), /data\.a\[1\]: JSON has no bigint/);
  await assert.rejects(client.publish("a b", 1), /the channel "a b"/);
  await assert.rejects(client.publish("a", 1, { event: "" }), /event ""/);
  await assert.rejects(client.publish("a", 1, { key: "x\ny" }), /key "x\\ny"/);
  await assert.rejects(client.publish("a", 1, { timeoutMs: -1 }), /timeoutMs -1/);
  await assert.rejects(client.publish("a", 1, { ephemeral: true, key: "k" } as never), /takes no key/);
});

test("before open it waits, and is sent in the order of the calls", async () => {
  const made = harness();
  for (const data of [1, 2, 3]) void made.client.publish("a", data);
  await made.open();
  assert.deepEqual(order(made), [1, 2, 3]);
});

test("the connection goes: sent again with the same key, in order", async () => {
  const made = await opened();
  const all = [1, 2, 3].map((data) => made.client.publish("a", data));
  await settled();
  const keys = made.socket.all("publish").map(({ key }) => key);
  accept(made, 2, 2);
  await reopened(made);
  assert.deepEqual(order(made), [1, 3]);
  assert.deepEqual(made.socket.all("publish").map(({ key }) => key), [keys[0], keys[2]]);
  accept(made, 1, 1, { duplicate: true });
  accept(made, 3, 3);
  assert.deepEqual(
    (await Promise.all(all)).map(({ seq, duplicate }) => [seq, duplicate]),
    [
      [1, true],
      [2, false],
      [3, false],
    ],
  );
});

test("behind a lost connection those that were in flight come before those that were not", async () => {
  const made = await opened();
  for (let data = 0; data < 300; data += 1) void made.client.publish("a", data);
  await settled();
  await reopened(made);
  for (let data = 0; data < 44; data += 1) accept(made, data, data + 1);
  assert.deepEqual(order(made), Array.from({ length: 300 }, (_, index) => index));
});

test("an ephemeral one has no key, resolves without a position, and is not sent again", async () => {
  const made = await opened();
  const good = made.client.publish("a", "x", { ephemeral: true });
  await settled();
  const { id } = made.socket.last("publish");
  assert.deepEqual(made.socket.last("publish"), { type: "publish", id, channel: "a", data: "x", ephemeral: true });
  made.socket.receive({ type: "published", id });
  assert.equal(await good, undefined);
  const lost = made.client.publish("a", "y", { ephemeral: true });
  await settled();
  made.socket.end();
  await assert.rejects(lost, (error) => error instanceof UnknownOutcomeError && error.key === undefined);
  const waiting = made.client.publish("a", "z", { ephemeral: true });
  await made.clock.advance(1_000);
  await made.open();
  assert.deepEqual(order(made), ["z"], "one that was not sent yet waits");
  made.socket.receive({ type: "published", id: sent(made, "z")["id"] });
  await waiting;
});

test("at most 256 are in flight", async () => {
  const made = await opened();
  for (let data = 0; data < 300; data += 1) void made.client.publish("a", data);
  await settled();
  assert.equal(order(made).length, 256);
  accept(made, 0, 1);
  assert.equal(order(made).length, 257);
});

test("the queue takes 1,000 publications", async () => {
  const made = harness();
  for (let data = 0; data < 1_000; data += 1) void made.client.publish("a", data);
  await assert.rejects(made.client.publish("a", 1_000), QueueFullError);
  await made.open();
  accept(made, 0, 1);
  void made.client.publish("a", 1_001);
  await settled();
  assert.equal(made.client.stats.pending, 1_000);
});

test("the queue takes 1 MiB, and one that is larger alone", async () => {
  const made = harness();
  void made.client.publish("a", "x".repeat(2 * 1024 * 1024));
  await settled();
  await assert.rejects(made.client.publish("a", 1), /2097\d{3} bytes wait/);
  const other = harness();
  void other.client.publish("a", "x".repeat(1024 * 1024 - 300));
  void other.client.publish("a", 1);
  await settled();
  assert.equal(other.client.stats.pending, 2);
  await assert.rejects(other.client.publish("a", "x".repeat(200)), QueueFullError);
});

test("larger than the server takes: refused, and those behind it go on", async () => {
  const made = harness();
  const large = made.client.publish("a", "x".repeat(70_000));
  const refused = assert.rejects(large, (error) => error instanceof RefusedError && error.code === "too_large");
  void made.client.publish("a", "small");
  await made.open();
  await refused;
  assert.deepEqual(order(made), ["small"]);
  assert.ok(LIMITS.max_message_bytes < 70_000);
});

test("larger than the next server takes, and perhaps stored by the one before: unknown", async () => {
  const made = await opened();
  const large = made.client.publish("a", "x".repeat(2_000), { key: "mine" });
  await settled();
  made.socket.end();
  await made.clock.advance(1_000);
  const unknown = assert.rejects(large, (error) => error instanceof UnknownOutcomeError && error.key === "mine");
  await made.open({ limits: { ...LIMITS, max_message_bytes: 1_000 } });
  await unknown;
  assert.deepEqual(order(made), []);
});

test("refused for a time: again after retry_after_ms, and those behind it in its channel wait", async () => {
  const made = await opened();
  for (const data of [1, 2]) void made.client.publish("a", data);
  await settled();
  refuse(made, 1, { retry_after_ms: 100 });
  void made.client.publish("a", 3);
  void made.client.publish("b", 4);
  await settled();
  assert.deepEqual(order(made), [1, 2, 4]);
  refuse(made, 2, { retry_after_ms: 10 });
  await made.clock.advance(99);
  assert.deepEqual(order(made), [1, 2, 4], "2 is behind 1");
  await made.clock.advance(1);
  assert.deepEqual(order(made), [1, 2, 4, 1, 2, 3]);
});

test("refused for a time without retry_after_ms: full jitter, doubled with each refusal", async () => {
  const made = await opened({ random: longest });
  void made.client.publish("a", 1);
  await settled();
  for (const bound of [500, 1_000, 2_000, 4_000]) {
    refuse(made, 1);
    const count = order(made).length;
    await made.clock.advance(bound - 2);
    assert.equal(order(made).length, count);
    await made.clock.advance(2);
    assert.equal(order(made).length, count + 1);
  }
});

test("refused for good: the server's code and words", async () => {
  const made = await opened();
  const published = made.client.publish("a", 1);
  await settled();
  refuse(made, 1, { code: "stream_ended", message: "it has ended", temporary: false });
  await assert.rejects(published, (error) => error instanceof RefusedError && error.code === "stream_ended" && !error.temporary);
});

test("storage_failed: the words say that it may be stored, and with which key to repeat it", async () => {
  const made = await opened();
  const failed = { code: "storage_failed", message: "the log has failed", temporary: false };
  const published = made.client.publish("a", 1, { key: "mine" });
  await settled();
  refuse(made, 1, failed);
  await assert.rejects(published, (error) => error instanceof RefusedError && error.key === "mine" && /^storage_failed: the log has failed; it may be stored all the same: publish again with the key "mine", and it is there once$/.test(error.message));
  const own = made.client.publish("a", 2);
  await settled();
  refuse(made, 2, failed);
  await assert.rejects(own, (error) => error instanceof RefusedError && error.key === sent(made, 2)["key"]);
  const ephemeral = made.client.publish("a", 3, { ephemeral: true });
  await settled();
  refuse(made, 3, failed);
  await assert.rejects(ephemeral, (error) => error instanceof RefusedError && error.message === "storage_failed: the log has failed");
});

test("a timeout: not sent is certain, sent is unknown, and a late answer is ignored", async () => {
  const made = harness();
  const first = made.client.publish("a", 1, { timeoutMs: 50 });
  const failing = assert.rejects(first, (error) => error instanceof NotSentError && /not sent/.test(error.message));
  await made.clock.advance(50);
  await failing;
  await made.open();
  assert.deepEqual(order(made), []);
  const second = made.client.publish("a", 2, { timeoutMs: 50, key: "k" });
  const unknown = assert.rejects(second, (error) => {
    return error instanceof UnknownOutcomeError && error.key === "k" && !/fail/.test(error.message) && /unknown/.test(error.message);
  });
  await made.clock.advance(50);
  await unknown;
  accept(made, 2, 1);
  assert.equal(made.client.stats.published, 0);
  assert.equal(made.client.stats.pending, 0);
  assert.equal(made.clock.pending, 2, "the liveness and the look at the wall clock");
});

test("a timeout while it waits behind a refusal is certain", async () => {
  const made = await opened();
  const published = made.client.publish("a", 1, { timeoutMs: 500 });
  await settled();
  refuse(made, 1, { retry_after_ms: 1_000 });
  const certain = assert.rejects(published, NotSentError);
  await made.clock.advance(500);
  await certain;
});

test("a timeout behind a lost connection is unknown too", async () => {
  const made = await opened();
  const published = made.client.publish("a", 1, { timeoutMs: 500 });
  await settled();
  made.socket.end();
  const unknown = assert.rejects(published, UnknownOutcomeError);
  await made.clock.advance(500);
  await unknown;
});

test("latency is from the last sending to the answer", async () => {
  const made = await opened();
  for (const ms of [10, 20, 30]) {
    const published = made.client.publish("a", ms);
    await made.clock.advance(ms);
    accept(made, ms, ms);
    await published;
  }
  assert.deepEqual(made.client.stats.latency, { count: 3, last: 30, mean: 20, p50: 20, p99: 30, max: 30 });
});

test("history: asked, answered, and told in the application's words", async () => {
  const made = await opened();
  const page = made.client.history("a", { from: { epoch: EPOCH, seq: 9 }, since: 5, limit: 2, order: "backwards" });
  await settled();
  const asked = made.socket.last("history");
  assert.deepEqual(asked, {
    type: "history",
    id: asked["id"],
    channel: "a",
    from: { epoch: EPOCH, seq: 9 },
    since: 5,
    limit: 2,
    order: "backwards",
  });
  made.socket.receive({ type: "history", id: asked["id"], epoch: EPOCH, first: 1, last: 20, messages: [record(8)], more: true });
  const { messages, ...rest } = await page;
  assert.deepEqual(rest, { epoch: EPOCH, first: 1, last: 20, more: true });
  assert.deepEqual(messages[0]?.position, { epoch: EPOCH, seq: 8 });
});

test("history is asked again behind a lost connection, and while it is refused for a time", async () => {
  const made = await opened();
  const page = made.client.history("a");
  await settled();
  await reopened(made);
  const { id } = made.socket.last("history");
  made.socket.receive({ type: "error", id, code: "unavailable", message: "busy", temporary: true, retry_after_ms: 20 });
  await made.clock.advance(20);
  assert.equal(made.socket.all("history").length, 2);
  made.socket.receive({ type: "error", id, code: "forbidden", message: "not you", temporary: false });
  await assert.rejects(page, /forbidden: not you/);
});

test("history that is refused for a time waits for it over a lost connection too", async () => {
  const made = await opened();
  const page = made.client.history("a").catch(() => {});
  await settled();
  const { id } = made.socket.last("history");
  made.socket.receive({ type: "error", id, code: "unavailable", message: "busy", temporary: true, retry_after_ms: 3_000 });
  await reopened(made);
  assert.equal(made.socket.all("history").length, 0);
  await made.clock.advance(2_000);
  assert.equal(made.socket.all("history").length, 1);
  await Promise.all([made.client.close({ timeoutMs: 0 }), made.clock.advance(0), page]);
});

test("history that is asked for when the connection opens is asked once", async () => {
  const made = harness();
  made.client.on("state", (state) => state === "open" && void made.client.history("a").catch(() => {}));
  made.client.connect();
  await made.open();
  assert.equal(made.socket.all("history").length, 1);
  await reopened(made);
  assert.equal(made.socket.all("history").length, 2, "the one before, and the new one");
});

test("token_expired to history: the token is replaced, and it is asked again", async () => {
  const tokens = ["t1", "t2"];
  const made = await opened({ token: () => tokens.shift() ?? null });
  const page = made.client.history("a");
  await settled();
  const { id } = made.socket.last("history");
  made.socket.receive({ type: "error", id, code: "token_expired", message: "old", temporary: false });
  await settled();
  assert.equal(made.socket.last("refresh")["token"], "t2");
  await made.clock.advance(500);
  assert.equal(made.socket.all("history").length, 2);
  made.socket.receive({ type: "history", id, epoch: EPOCH, first: 1, last: 0, messages: [], more: false });
  assert.deepEqual((await page).messages, []);
});

test("history has a limit of time, of questions, and of sense", async () => {
  const made = harness();
  const late = assert.rejects(made.client.history("a", { timeoutMs: 10 }), NotAnsweredError);
  await made.clock.advance(10);
  await late;
  for (let count = 0; count < 100; count += 1) void made.client.history("a").catch(() => {});
  await settled();
  await assert.rejects(made.client.history("a"), QueueFullError);
  for (const options of [{ from: { epoch: "x", seq: 1 } }, { order: "up" }, { limit: -1 }, { since: 0.5 }]) {
    await assert.rejects(made.client.history("a", options as never), TypeError);
  }
});

test("close waits for what is under way, over a lost connection too", async () => {
  const made = await opened();
  const published = made.client.publish("a", 1);
  await settled();
  const closing = made.client.close();
  await assert.rejects(made.client.publish("a", 2), ClosedError);
  assert.throws(() => made.client.subscribe("a"), /close\(\) was called/);
  await reopened(made);
  assert.equal(made.client.state, "open");
  accept(made, 1, 1);
  await closing;
  assert.equal((await published).seq, 1);
  assert.equal(made.client.state, "closed");
  assert.deepEqual(made.socket.closed, [1000]);
  assert.equal(made.clock.pending, 0);
});

test("close gives up at its limit: unknown where it was sent, not sent where it was not", async () => {
  const made = await opened();
  const first = made.client.publish("a", 1);
  const asked = made.client.history("a");
  await settled();
  made.socket.end();
  const second = made.client.publish("a", 2);
  const all = Promise.allSettled([first, second, asked]);
  const closing = made.client.close({ timeoutMs: 100 });
  await made.clock.advance(100);
  await closing;
  const errors = (await all).map((result) => (result.status === "rejected" ? result.reason.name : "resolved"));
  assert.deepEqual(errors, ["UnknownOutcomeError", "NotSentError", "NotAnsweredError"]);
});

test("close without anything under way is at once, from any state, and again is the same", async () => {
  const idle = harness();
  const waiting = await opened();
  waiting.socket.end();
  const connecting = harness();
  connecting.client.connect();
  for (const { client, clock } of [idle, waiting, connecting, await opened()]) {
    const closing = client.close();
    assert.equal(client.close(), closing);
    await closing;
    assert.equal(client.state, "closed");
    assert.equal(clock.pending, 0);
  }
});

test("the server closes for good: what waits is over, with the cause", async () => {
  const made = await opened();
  const published = made.client.publish("a", 1);
  await settled();
  made.socket.end(4504, "banned");
  await assert.rejects(published, (error) => error instanceof UnknownOutcomeError && error.cause instanceof ClosedError);
});
