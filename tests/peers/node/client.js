// The test client: the script of ../README.md through `ws`.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import WebSocket from "ws";

const PEER = `ws ${createRequire(import.meta.url)("ws/package.json").version}`;
const DEADLINE_MS = 60_000;
const CLOSE_DEADLINE_MS = 10_000;
const MIB = 1024 * 1024;
const PATTERN = "añ€🌍";

/** Messages and Pongs of one socket, kept until the script asks for them. */
class Inbox {
  #waiting = [];
  #arrived = [];
  #failure = null;

  constructor(socket) {
    socket.on("message", (data, isBinary) => this.#deliver({ kind: isBinary ? "binary" : "text", data }));
    socket.on("pong", (data) => this.#deliver({ kind: "pong", data }));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", (code, reason) => this.#fail(new Error(`closed with ${code} "${reason}" before the end`)));
  }

  next() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #deliver(item) {
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve(item);
    else this.#arrived.push(item);
  }

  #fail(error) {
    this.#failure ??= error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure);
  }
}

async function expectNext(inbox, kind, bytes) {
  const wanted = Buffer.from(bytes);
  const item = await inbox.next();
  if (item.kind !== kind) throw new Error(`a ${item.kind} came back, a ${kind} was expected`);
  if (item.data.length !== wanted.length) {
    throw new Error(`the echo has ${item.data.length} bytes, ${wanted.length} were sent`);
  }
  if (!wanted.equals(item.data)) throw new Error("the echo has other bytes than were sent");
}

const numbered = (length) => Buffer.from(Uint8Array.from({ length }, (_, i) => (31 * i) % 251));

/** The steps between the opening and the close, in their order. */
const STEPS = {
  text: (socket, inbox) => echo(socket, inbox, "hello"),
  "empty text": (socket, inbox) => echo(socket, inbox, ""),
  "non-ASCII text": (socket, inbox) => echo(socket, inbox, "Grüße, κόσμε, 世界, 🌍"),
  binary: (socket, inbox) => echo(socket, inbox, Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
  "empty binary": (socket, inbox) => echo(socket, inbox, Buffer.alloc(0)),
  "length boundaries": async (socket, inbox) => {
    for (const length of [125, 126, 127, 65535, 65536]) await echo(socket, inbox, numbered(length));
  },
  "1 MiB text": (socket, inbox) => echo(socket, inbox, PATTERN.repeat(Math.floor(MIB / 10)) + "añ€"),
  "1 MiB binary": (socket, inbox) => echo(socket, inbox, numbered(MIB)),
  "fragmented text": async (socket, inbox) => {
    const whole = Buffer.from(PATTERN.repeat(1000));
    const cuts = [0, 2, 2, 5009, whole.length];
    const pieces = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
    pieces.forEach((piece, i) => socket.send(piece, { binary: false, fin: i === pieces.length - 1 }));
    await expectNext(inbox, "text", whole);
  },
  ping: async (socket, inbox) => {
    socket.ping("how far?");
    await expectNext(inbox, "pong", "how far?");
  },
  "ping between fragments": async (socket, inbox) => {
    const before = "before ".repeat(1000);
    socket.send(before, { fin: false });
    socket.ping("between");
    socket.send("after", { fin: true });
    await expectNext(inbox, "pong", "between");
    await expectNext(inbox, "text", `${before}after`);
  },
  burst: async (socket, inbox) => {
    const messages = Array.from({ length: 100 }, (_, i) => `burst ${i}`);
    for (const message of messages) socket.send(message);
    for (const message of messages) await expectNext(inbox, "text", message);
  },
};

async function echo(socket, inbox, data) {
  socket.send(data);
  await expectNext(inbox, typeof data === "string" ? "text" : "binary", data);
}

async function open(url, { ca, subprotocol }) {
  const socket = new WebSocket(url, subprotocol, { ca: ca && readFileSync(ca), maxPayload: 16 * MIB });
  const inbox = new Inbox(socket);
  await once(socket, "open");
  if (subprotocol.length > 0 && socket.protocol !== subprotocol[0]) {
    throw new Error(`the subprotocol is "${socket.protocol}", "${subprotocol[0]}" was expected`);
  }
  return [socket, inbox];
}

async function close(socket) {
  const closed = once(socket, "close");
  socket.close(4001, "done");
  // `ws` would wait half a minute for the server to end TCP, and then call it closed all the same.
  const [code, reason] = await Promise.race([closed, tooLate("the server did not end the connection")]);
  if (code !== 4001) throw new Error(`the close came back with the code ${code}`);
  return { code, reason: reason.toString() };
}

const tooLate = (what) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(what)), CLOSE_DEADLINE_MS).unref());

function report(line) {
  process.stdout.write(`${JSON.stringify({ peer: PEER, ...line })}\n`);
}

export async function runClient(url, options) {
  let step = "opening";
  const deadline = setTimeout(() => {
    report({ ok: false, step, error: `not done after ${DEADLINE_MS / 1000} s` });
    process.exit(1);
  }, DEADLINE_MS);
  try {
    const [socket, inbox] = await open(url, options);
    for (const [name, run] of Object.entries(STEPS)) {
      step = name;
      await run(socket, inbox);
    }
    step = "close";
    const closed = await close(socket);
    report({
      ok: true,
      subprotocol: socket.protocol || null,
      extensions: socket.extensions,
      steps: ["opening", ...Object.keys(STEPS), "close"],
      close: closed,
    });
    return 0;
  } catch (error) {
    report({ ok: false, step, error: error.message });
    return 1;
  } finally {
    clearTimeout(deadline);
  }
}
