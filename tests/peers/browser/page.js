// Runs one scenario with the browser's own WebSocket and posts what it saw; the test judges it.
//
// The page's query says what to do: scenario, url, and subprotocol (any number).

const query = new URLSearchParams(location.search);
const url = query.get("url");
const subprotocols = query.getAll("subprotocol");
const MIB = 1024 * 1024;

/** Posts one JSON value to the test. The last one of a scenario has `result` or `failure`. */
const post = (value) => fetch("/events", { method: "POST", body: JSON.stringify(value) });

/** The next event of the type, or a failure if the socket closes before. */
function next(socket, type) {
  return new Promise((resolve, reject) => {
    const once = { once: true };
    socket.addEventListener(type, resolve, once);
    if (type !== "close") {
      socket.addEventListener(
        "close",
        ({ code, reason }) => reject(new Error(`closed with ${code} "${reason}" before ${type}`)),
        once,
      );
    }
  });
}

async function open(binaryType = "arraybuffer") {
  const socket = new WebSocket(url, subprotocols);
  socket.binaryType = binaryType;
  await next(socket, "open");
  return socket;
}

async function close(socket, ...codeAndReason) {
  const closed = next(socket, "close");
  socket.close(...codeAndReason);
  const { code, reason, wasClean } = await closed;
  return { code, reason, wasClean };
}

async function echo(socket, message) {
  const arrived = next(socket, "message");
  socket.send(message);
  return (await arrived).data;
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

const bytesOf = async (data) => new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data);
const numbered = (length) => Uint8Array.from({ length }, (_, i) => (31 * i) % 251);

/** The JSON text number `i`: like those before it, and longer. */
function similar(i) {
  const items = Array.from({ length: 1 + Math.floor((i * i) / 2) }, (_, id) => {
    const value = (7 * id * id + 13 * i) % 1000;
    return `{"id":${id},"name":"sensor ${id}","value":${value},"state":"ok"}`;
  });
  return `[${items.join(",")}]`;
}

/** Bytes that cannot be compressed. */
const random = (length) => crypto.getRandomValues(new Uint8Array(length));

async function checkText(socket, text) {
  const data = await echo(socket, text);
  check(data === text, `${text.length} characters came back as ${data.length ?? data}`);
}

async function checkBinary(socket, message, length, kind) {
  const data = await echo(socket, message);
  check(data instanceof kind, `the echo is a ${data.constructor.name}, not a ${kind.name}`);
  const bytes = await bytesOf(data);
  check(bytes.length === length, `${length} bytes came back as ${bytes.length}`);
  check(bytes.every((byte, i) => byte === (31 * i) % 251), "the echo has other bytes than were sent");
}

async function checkRandom(socket, length) {
  const message = random(length);
  const bytes = await bytesOf(await echo(socket, message));
  check(bytes.length === length, `${length} bytes came back as ${bytes.length}`);
  check(bytes.every((byte, i) => byte === message[i]), "the echo has other bytes than were sent");
}

const scenarios = {
  /** Text and binary messages of all kinds and sizes, both ways. */
  async messages() {
    const socket = await open();
    const texts = ["hello", "", "Grüße, κόσμε, 世界, 🌍", "añ€🌍".repeat(Math.floor(MIB / 10)) + "añ€"];
    for (const text of texts) await checkText(socket, text);
    for (const length of [0, 1, 125, 126, 127, 65535, 65536, MIB]) {
      await checkBinary(socket, numbered(length).buffer, length, ArrayBuffer);
      await checkBinary(socket, new Blob([numbered(length)]), length, ArrayBuffer);
      socket.binaryType = "blob";
      await checkBinary(socket, numbered(length), length, Blob);
      socket.binaryType = "arraybuffer";
    }
    for (let i = 0; i < 60; i++) await checkText(socket, similar(i));
    for (const length of [50, 500, 5000, 50_000]) await checkRandom(socket, length);
    for (const text of ["", "", similar(9)]) await checkText(socket, text);
    check(socket.bufferedAmount === 0, `${socket.bufferedAmount} bytes are still buffered`);
    return { extensions: socket.extensions, close: await close(socket, 1000) };
  },

  /** Messages that wait in the browser's and the server's queues, and come back in order. */
  async burst() {
    const socket = await open();
    const { extensions } = socket;
    const arrived = [];
    const all = new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => arrived.push(data) === 1000 && resolve();
      socket.onclose = () => reject(new Error(`closed after ${arrived.length} messages`));
    });
    for (let i = 0; i < 1000; i++) socket.send(`burst ${i}`);
    await all;
    socket.onclose = null;
    check(arrived.every((text, i) => text === `burst ${i}`), "the echoes are out of order");
    return { extensions, close: await close(socket, 1000) };
  },

  /** One socket for each way to close, and what its close event said. */
  async closes() {
    const ways = [[], [1000], [1000, "bye"], [3000, "three thousand"], [4999, "für immer ☂"], [4000, "é".repeat(61)]];
    const seen = [];
    for (const way of ways) seen.push(await close(await open(), ...way));
    return seen;
  },

  /** One socket for each close that the server is asked for, and what the close event said. */
  async serverCloses() {
    const asked = ["1000 ", "1000 bye", "1011 ", "3000 three thousand", "4999 für immer ☂", `4000 ${"é".repeat(61)}`];
    const seen = [];
    for (const text of asked) {
      const socket = await open();
      const closed = next(socket, "close");
      socket.send(text);
      const { code, reason, wasClean } = await closed;
      seen.push({ code, reason, wasClean });
    }
    return seen;
  },

  /** The subprotocol that was chosen. */
  async subprotocol() {
    const socket = await open();
    const { protocol } = socket;
    await checkText(socket, "hello");
    return { protocol, close: await close(socket, 1000) };
  },

  /** What happens to a socket that the page leaves alone. Says so when it is open. */
  async watch() {
    const socket = new WebSocket(url, subprotocols);
    const seen = { opened: false, failed: false };
    socket.onopen = () => {
      seen.opened = true;
      post({ open: true });
    };
    socket.onerror = () => (seen.failed = true);
    const { code, reason, wasClean } = await next(socket, "close");
    return { ...seen, close: { code, reason, wasClean } };
  },
};

try {
  await post({ result: await scenarios[query.get("scenario")]() });
} catch (error) {
  await post({ failure: `${error}\n${error.stack}` });
}
