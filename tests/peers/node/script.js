// The script of ../README.md, for any client library: it opens a conversation, and the steps talk.
//
// A conversation has `socket` (with `send`, and where the library can, `ping` and fragments), `inbox`,
// `protocol`, `extensions` and `close()`, which gives the Close that came back.
const DEADLINE_MS = 60_000;
const CLOSE_DEADLINE_MS = 10_000;
const MIB = 1024 * 1024;
const PATTERN = "añ€🌍";

/** The largest message that is taken. */
export const MAX_MESSAGE = 16 * MIB;

/** Steps that a browser's interface has no words for. */
export const BEYOND_BROWSERS = ["fragmented text", "ping", "ping between fragments"];

/** What arrived on one socket, kept until the script asks for it. */
export class Inbox {
  #waiting = [];
  #arrived = [];
  #failure = null;

  next() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Takes a message or a Pong: `kind` is text, binary or pong, `data` a buffer. */
  deliver(kind, data) {
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve({ kind, data });
    else this.#arrived.push({ kind, data });
  }

  fail(error) {
    this.#failure ??= error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure);
  }
}

async function expectNext({ inbox }, kind, bytes) {
  const wanted = Buffer.from(bytes);
  const item = await inbox.next();
  if (item.kind !== kind) throw new Error(`a ${item.kind} came back, a ${kind} was expected`);
  if (item.data.length !== wanted.length) {
    throw new Error(`the echo has ${item.data.length} bytes, ${wanted.length} were sent`);
  }
  if (!wanted.equals(item.data)) throw new Error("the echo has other bytes than were sent");
}

async function echo(conversation, ...messages) {
  for (const data of messages) {
    conversation.socket.send(data);
    await expectNext(conversation, typeof data === "string" ? "text" : "binary", data);
  }
}

const numbered = (length) => Buffer.from(Uint8Array.from({ length }, (_, i) => (31 * i) % 251));

/** The JSON text number `i`: like those before it, and longer. */
function similar(i) {
  const items = Array.from({ length: 1 + Math.floor((i * i) / 2) }, (_, id) => {
    const value = (7 * id * id + 13 * i) % 1000;
    return `{"id":${id},"name":"sensor ${id}","value":${value},"state":"ok"}`;
  });
  return `[${items.join(",")}]`;
}

/** Buffers of these lengths, one after the other from a generator: nothing in them repeats. */
function random(...lengths) {
  let x = 1;
  const byte = () => {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    return x >> 16;
  };
  return lengths.map((length) => Buffer.from(Uint8Array.from({ length }, byte)));
}

/** The steps between the opening and the close, in their order. */
const STEPS = {
  text: (talk) => echo(talk, "hello"),
  "empty text": (talk) => echo(talk, ""),
  "non-ASCII text": (talk) => echo(talk, "Grüße, κόσμε, 世界, 🌍"),
  binary: (talk) => echo(talk, Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
  "empty binary": (talk) => echo(talk, Buffer.alloc(0)),
  "length boundaries": (talk) => echo(talk, ...[125, 126, 127, 65535, 65536].map(numbered)),
  "1 MiB text": (talk) => echo(talk, PATTERN.repeat(Math.floor(MIB / 10)) + "añ€"),
  "1 MiB binary": (talk) => echo(talk, numbered(MIB)),
  "fragmented text": async (talk) => {
    const whole = Buffer.from(PATTERN.repeat(1000));
    const cuts = [0, 2, 2, 5009, whole.length];
    const pieces = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
    pieces.forEach((piece, i) => talk.socket.send(piece, { binary: false, fin: i === pieces.length - 1 }));
    await expectNext(talk, "text", whole);
  },
  ping: async (talk) => {
    talk.socket.ping("how far?");
    await expectNext(talk, "pong", "how far?");
  },
  "ping between fragments": async (talk) => {
    const before = "before ".repeat(1000);
    talk.socket.send(before, { fin: false });
    talk.socket.ping("between");
    talk.socket.send("after", { fin: true });
    await expectNext(talk, "pong", "between");
    await expectNext(talk, "text", `${before}after`);
  },
  burst: async (talk) => {
    const messages = Array.from({ length: 100 }, (_, i) => `burst ${i}`);
    for (const message of messages) talk.socket.send(message);
    for (const message of messages) await expectNext(talk, "text", message);
  },
  "similar texts": (talk) => echo(talk, ...Array.from({ length: 60 }, (_, i) => similar(i))),
  "random binaries": (talk) => echo(talk, ...random(50, 500, 5000, 50_000, 100_000)),
  "empty messages": (talk) => echo(talk, "", Buffer.alloc(0), "", similar(9)),
};

/** The promise's value, if it comes in time: `ws` alone would wait half a minute for the end of TCP. */
export const inTime = (promise) =>
  Promise.race([
    promise,
    new Promise((_, reject) =>
      setTimeout(() => reject(new Error("the server did not end the connection")), CLOSE_DEADLINE_MS).unref(),
    ),
  ]);

/** Runs all steps but the `skipped` ones, prints the report, and gives the exit code. */
export async function runScript({ peer, skipped = [], subprotocol, open }) {
  const report = (line) => process.stdout.write(`${JSON.stringify({ peer, ...line })}\n`);
  const steps = Object.entries(STEPS).filter(([name]) => !skipped.includes(name));
  let step = "opening";
  const deadline = setTimeout(() => {
    report({ ok: false, step, error: `not done after ${DEADLINE_MS / 1000} s` });
    process.exit(1);
  }, DEADLINE_MS);
  try {
    const talk = await open();
    if (subprotocol.length > 0 && talk.protocol !== subprotocol[0]) {
      throw new Error(`the subprotocol is "${talk.protocol}", "${subprotocol[0]}" was expected`);
    }
    for (const [name, run] of steps) {
      step = name;
      await run(talk);
    }
    step = "close";
    const closed = await talk.close();
    if (closed.code !== 4001) throw new Error(`the close came back with the code ${closed.code}`);
    report({
      ok: true,
      subprotocol: talk.protocol || null,
      extensions: talk.extensions,
      steps: ["opening", ...steps.map(([name]) => name), "close"],
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
