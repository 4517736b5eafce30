// The built client against `longwire serve`, whose binary LONGWIRE_BIN names.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Client, type ClientOptions, type Message, type Subscription, type SubscriptionEvent } from "../../dist/longwire.js";
import { Server, tokenFor } from "../support/server.js";

declare const PACKAGE: string;

let server: Server;
const clients: Client[] = [];
let channels = 0;

before(async () => {
  server = await Server.start();
});

after(async () => {
  await Promise.all(clients.map((client) => client.close({ timeoutMs: 0 })));
  await server.stop();
});

function connect(options: ClientOptions = {}): Client {
  const client = new Client(server.url, { token: () => tokenFor("ann"), ...options });
  clients.push(client);
  return client;
}

/** A channel that no other test has. */
function fresh(namespace: string): string {
  channels += 1;
  return `${namespace}:${channels}`;
}

/** The next so many messages. */
async function take(room: Subscription, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  for await (const message of room) if (taken.push(message) === count) break;
  return taken;
}

/** Waits for the state, if it is not there yet. */
function reached(room: Subscription, state: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (room.state === state) return resolve();
    room.on("state", (now) => now === state && resolve());
    room.on("error", reject);
  });
}

/** Waits until the connection comes into the state. */
function entered(client: Client, state: string): Promise<void> {
  return new Promise((resolve) => client.on("state", (now) => now === state && resolve()));
}

/** Breaks the connection, and spares the test the waiting. */
function cut(client: Client): void {
  client.disconnect();
  client.wake();
}

for (const codec of ["json", "cbor"] as const) {
  test(`what is published arrives as it was, in ${codec}`, async () => {
    const client = connect({ codec });
    const channel = fresh("chat");
    const room = client.subscribe(channel, { start: "beginning" });
    const contents = [
      { text: "Hi", nested: [1, -2.5, true, null, { ü: "☂" }] },
      "text",
      "",
      0,
      null,
      [],
      new Uint8Array([0, 255, 128]),
      new Uint8Array(),
      "x".repeat(50_000),
    ];
    for (const [index, content] of contents.entries()) {
      const { seq, duplicate } = await client.publish(channel, content, { event: "note" });
      assert.deepEqual([seq, duplicate], [index + 1, false]);
    }
    const messages = await take(room, contents.length);
    assert.deepEqual(messages.map(({ data }) => data), contents);
    assert.deepEqual(messages.map(({ seq }) => seq), contents.map((_, index) => index + 1));
    assert.ok(messages.every(({ event, publisher }) => event === "note" && publisher === "ann"));
    assert.ok(Math.abs(Date.now() - messages[0]!.time) < 60_000);
    assert.equal(client.user, "ann");
    assert.equal(client.stats.received, contents.length);
  });
}

test("the WebSocket class of the package ws does as well", async () => {
  for (const codec of ["json", "cbor"] as const) {
    const client = connect({ codec, WebSocket });
    const channel = fresh("chat");
    const room = client.subscribe(channel, { start: "beginning" });
    await client.publish(channel, new Uint8Array([1, 2]));
    client.disconnect();
    await client.publish(channel, "after");
    assert.deepEqual((await take(room, 2)).map(({ data }) => data), [new Uint8Array([1, 2]), "after"]);
  }
});

test("a key is stored once, and told as a duplicate", async () => {
  const client = connect();
  const channel = fresh("chat");
  const first = await client.publish(channel, 1, { key: "once" });
  const second = await client.publish(channel, 1, { key: "once" });
  assert.deepEqual(second, { ...first, duplicate: true });
});

test("an ephemeral message reaches who listens now, and is kept nowhere", async () => {
  const client = connect();
  const channel = fresh("chat");
  const room = client.subscribe(channel);
  await reached(room, "live");
  assert.equal(await client.publish(channel, "typing", { ephemeral: true }), undefined);
  const [message] = await take(room, 1);
  assert.deepEqual([message?.data, message?.seq], ["typing", undefined]);
  assert.equal((await client.history(channel)).messages.length, 0);
});

test("history is read in pages, both ways", async () => {
  const client = connect();
  const channel = fresh("chat");
  for (let count = 1; count <= 25; count += 1) await client.publish(channel, count);
  const seen: unknown[] = [];
  let page = await client.history(channel, { limit: 10 });
  seen.push(...page.messages.map(({ data }) => data));
  while (page.more) {
    page = await client.history(channel, { limit: 10, from: page.messages.at(-1)!.position! });
    seen.push(...page.messages.map(({ data }) => data));
  }
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, index) => index + 1));
  assert.deepEqual([page.first, page.last], [1, 25]);
  const newest = await client.history(channel, { limit: 3, order: "backwards" });
  assert.deepEqual(newest.messages.map(({ seq }) => seq), [25, 24, 23]);
});

test("over connections that break again and again, each record comes once, in order", async () => {
  const [reader, writer] = [connect(), connect({ codec: "cbor" })];
  const channel = fresh("chat");
  const room = reader.subscribe(channel, { start: "beginning" });
  const count = 300;
  const writing = (async () => {
    for (let number = 1; number <= count; number += 1) {
      await writer.publish(channel, number);
      if (number % 30 === 0) cut(writer);
      if (number % 20 === 0) cut(reader);
    }
  })();
  const numbers = (await take(room, count)).map(({ data }) => data);
  await writing;
  assert.deepEqual(numbers, Array.from({ length: count }, (_, index) => index + 1));
  assert.ok(reader.stats.reconnects > 0 && writer.stats.reconnects > 0);
  assert.equal(reader.stats.lost, 0);
});

test("over kills of the server, each acknowledged publication is there once, in order", async () => {
  const [reader, writer] = [connect(), connect()];
  const channel = fresh("chat");
  const room = reader.subscribe(channel, { start: "beginning" });
  const seen: unknown[] = [];
  room.on("message", ({ data }) => seen.push(data));
  await reached(room, "live");
  let next = 1;
  for (let round = 0; round < 3; round += 1) {
    const sent: Promise<unknown>[] = [];
    const half = next + 25;
    for (; next < half; next += 1) sent.push(writer.publish(channel, next));
    await Promise.race(sent);
    await server.kill();
    for (; next < half + 25; next += 1) sent.push(writer.publish(channel, next));
    await server.start();
    await Promise.all(sent);
  }
  const expected = Array.from({ length: next - 1 }, (_, index) => index + 1);
  const { messages } = await writer.history(channel);
  assert.deepEqual(messages.map(({ data }) => data), expected);
  if (seen.length < expected.length) {
    await new Promise<void>((resolve) => room.on("message", () => seen.length >= expected.length && resolve()));
  }
  assert.deepEqual(seen, expected);
  assert.equal(reader.stats.lost, 0);
  assert.ok(reader.stats.reconnects > 0);
});

test("a stream in memory begins anew with the server, and that is told", async () => {
  const client = connect();
  const channel = fresh("memory");
  const room = client.subscribe(channel, { start: "beginning" });
  const events: SubscriptionEvent<unknown>[] = [];
  const reading = (async () => {
    for await (const event of room.events()) {
      events.push(event);
      if (event.type === "message" && event.message.data === "new") break;
    }
  })();
  const { epoch } = await client.publish(channel, "old");
  await server.kill();
  await server.start();
  await client.publish(channel, "new");
  await reading;
  const told = events.filter(({ type }) => type !== "state").map(({ type }) => type);
  assert.deepEqual(told, ["message", "reset", "message"]);
  assert.notEqual(room.position?.epoch, epoch);
  assert.equal(room.position?.seq, 1);
});

test("what the stream no longer keeps is told as lost", async () => {
  const client = connect();
  const channel = fresh("short");
  const first = await client.publish(channel, 1);
  for (let number = 2; number <= 30; number += 1) await client.publish(channel, number);
  const room = client.subscribe(channel, { start: first });
  const events: string[] = [];
  for await (const event of room.events()) {
    if (event.type === "lost") events.push(`lost ${event.lost.from}..${event.lost.to}`);
    if (event.type === "message") events.push(`message ${event.message.seq}`);
    if (event.type === "message" && event.message.seq === 30) break;
  }
  assert.deepEqual(events, ["lost 1..20", ...Array.from({ length: 10 }, (_, index) => `message ${21 + index}`)]);
  assert.equal(client.stats.lost, 19);
});

test("a stream that ends, ends its loop", async () => {
  const client = connect();
  const channel = fresh("chat");
  await client.publish(channel, "last words");
  const room = client.subscribe(channel, { start: "beginning" });
  await reached(room, "live");
  await server.request("POST", `/v1/channels/${channel}/end`);
  const seen: unknown[] = [];
  for await (const { data } of room) seen.push(data);
  assert.deepEqual(seen, ["last words"]);
  assert.equal(room.state, "ended");
  await assert.rejects(client.publish(channel, "more"), { name: "RefusedError", code: "stream_ended" });
});

test("a loop that rests pauses its subscription, and misses nothing", async () => {
  const [reader, writer] = [connect(), connect()];
  const channel = fresh("chat");
  const room = reader.subscribe(channel, { start: "beginning" });
  const count = 3_000;
  const sent: Promise<unknown>[] = [];
  const paused = reached(room, "paused");
  for (let number = 1; number <= count; number += 1) {
    sent.push(writer.publish(channel, number));
    if (sent.length % 500 === 0) await Promise.all(sent);
  }
  await Promise.all(sent);
  await paused;
  const numbers = (await take(room, count)).map(({ data }) => data);
  assert.deepEqual(numbers, Array.from({ length: count }, (_, index) => index + 1));
  assert.ok(reader.stats.paused > 0);
  assert.equal(reader.stats.doubled, 0);
});

test("latest: what lies between is skipped, and the last one comes", async () => {
  const client = connect();
  const channel = fresh("memory");
  const room = client.subscribe(channel, { policy: { type: "latest", interval_ms: 200 } });
  await reached(room, "live");
  const count = 50;
  await Promise.all(Array.from({ length: count }, (_, index) => client.publish(channel, index + 1)));
  const seen: Message[] = [];
  for await (const message of room) {
    seen.push(message);
    if (message.seq === count) break;
  }
  assert.ok(seen.length < count, `${seen.length} came`);
  const skipped = seen.reduce((sum, message) => sum + message.skipped, 0);
  assert.equal(seen.length + skipped, count);
  assert.deepEqual([client.stats.skipped, client.stats.gaps, client.stats.lost], [skipped, 0, 0]);
});

test("rollup: all come, in order", async () => {
  const client = connect();
  const channel = fresh("memory");
  const room = client.subscribe(channel, { policy: { type: "rollup", interval_ms: 50 } });
  await reached(room, "live");
  const count = 50;
  await Promise.all(Array.from({ length: count }, (_, index) => client.publish(channel, index + 1)));
  const numbers = (await take(room, count)).map(({ data }) => data);
  assert.deepEqual(numbers, Array.from({ length: count }, (_, index) => index + 1));
  assert.equal(client.stats.gaps, 0);
});

test("what the token does not allow is refused; what it allows is not", async () => {
  const channel = fresh("private");
  const stranger = connect();
  const room = stranger.subscribe(channel);
  await assert.rejects(reached(room, "live"), { name: "RefusedError", code: "forbidden" });
  assert.equal(room.state, "failed");
  await assert.rejects(stranger.publish(channel, 1), { code: "forbidden" });
  const allowed = connect({ token: () => tokenFor("bob", 3_600, { "private:*": ["subscribe", "publish"] }) });
  assert.equal((await allowed.publish(channel, 1)).seq, 1);
});

test("a token that is not valid closes the client for good", async () => {
  const client = connect({ token: "no token" });
  await assert.rejects(client.publish("chat:x", 1), { name: "NotSentError" });
  assert.equal(client.state, "closed");
  assert.throws(() => client.subscribe("chat:x"), { name: "ClosedError", code: 4501 });
});

test("a token is replaced before it expires, and a ticket spares the callback when the connection breaks", async () => {
  let calls = 0;
  let second: (() => void) | undefined;
  const refreshed = new Promise<void>((resolve) => (second = resolve));
  const client = connect({
    token: () => {
      calls += 1;
      if (calls === 2) second?.();
      return tokenFor("ann", calls === 1 ? 2 : 3_600);
    },
  });
  await client.publish(fresh("chat"), 1);
  const open = entered(client, "open");
  client.disconnect();
  await open;
  assert.equal(calls, 1, "the ticket was enough");
  await refreshed;
  assert.equal((await client.publish(fresh("chat"), 1)).seq, 1);
  assert.equal(client.stats.reconnects, 1);
});

test("a server that sends its client away for a moment gets it back", async () => {
  const client = connect();
  await client.publish(fresh("chat"), 1);
  const away = entered(client, "waiting");
  await server.request("DELETE", `/v1/connections/${client.session}?reconnect=true`);
  await away;
  assert.equal((await client.publish(fresh("chat"), 2)).seq, 1);
  const closed = entered(client, "closed");
  await server.request("DELETE", `/v1/connections/${client.session}`);
  await closed;
  assert.throws(() => client.subscribe("chat:x"), { name: "ClosedError", code: 4504 });
});

test("the example of the README works", async () => {
  const example = readFileSync(join(PACKAGE, "examples/quickstart.js"), "utf8")
    .replace('"longwire"', JSON.stringify(`file://${join(PACKAGE, "dist/longwire.js")}`))
    .replace('"ws://localhost:8000/v1/connect"', `${JSON.stringify(server.url)}, { token: ${JSON.stringify(tokenFor("ann"))} }`);
  const options = ["--experimental-websocket", "--no-warnings", "--input-type=module", "--eval", example];
  const child = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let output = "";
    for await (const data of child.stdout) {
      output += String(data);
      if (/^\d+ { text: 'Hello' }$/m.test(output)) return;
    }
    assert.fail(`it ended, and had written: ${output}`);
  } finally {
    child.kill();
  }
});
