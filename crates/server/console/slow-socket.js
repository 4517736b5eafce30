// A WebSocket that can be read slowly: frames are taken from it one at a time.
//
// Where the browser has `WebSocketStream` nothing is read that was not asked for, so that the network and the server feel
// it. Elsewhere frames wait in the page, in their order.

/** Milliseconds between two frames while it is slow. */
const PAUSE = 500;

/** Makes a class to be given to the SDK; `pace.slow` decides how its sockets are read. */
export function slowSockets(pace) {
  return class extends SlowSocket {
    constructor(url, protocols) {
      super(url, protocols, pace);
    }
  };
}

/** How fast sockets are read. */
export class Pace {
  #slow = false;
  #wake = () => {};

  get slow() {
    return this.#slow;
  }

  set slow(slow) {
    this.#slow = slow;
    this.#wake();
  }

  /** Waits until the next frame may be taken. */
  async turn() {
    if (!this.#slow) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, PAUSE);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

class SlowSocket extends EventTarget {
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  binaryType = "blob";
  #pace;
  #inner;

  constructor(url, protocols, pace) {
    super();
    this.#pace = pace;
    this.#inner = "WebSocketStream" in globalThis ? new StreamSource(url, protocols) : new QueueSource(url, protocols);
    this.#run();
  }

  get readyState() {
    return this.#inner.readyState;
  }

  get protocol() {
    return this.#inner.protocol;
  }

  get bufferedAmount() {
    return this.#inner.bufferedAmount;
  }

  send(data) {
    this.#inner.send(data);
  }

  close(code, reason) {
    this.#inner.close(code, reason);
  }

  async #run() {
    const source = this.#inner;
    if (await source.opened) {
      this.#tell(new Event("open"));
      for (;;) {
        await this.#pace.turn();
        const data = await source.next();
        if (data === undefined) break;
        this.#tell(new MessageEvent("message", { data }));
      }
    } else {
      this.#tell(new Event("error"));
    }
    this.#tell(new CloseEvent("close", await source.closed));
  }

  #tell(event) {
    this[`on${event.type}`]?.call(this, event);
    this.dispatchEvent(event);
  }
}

/** Reads by `WebSocketStream`, which holds the network back. */
class StreamSource {
  readyState = WebSocket.CONNECTING;
  protocol = "";
  bufferedAmount = 0;
  #stream;
  #reader;
  #writer;

  constructor(url, protocols) {
    this.#stream = new WebSocketStream(url, protocols?.length ? { protocols: [protocols].flat() } : {});
    this.opened = this.#stream.opened.then(
      ({ readable, writable, protocol }) => {
        this.#reader = readable.getReader();
        this.#writer = writable.getWriter();
        this.protocol = protocol;
        this.readyState = WebSocket.OPEN;
        return true;
      },
      () => false,
    );
    const over = (init) => {
      this.readyState = WebSocket.CLOSED;
      return init;
    };
    this.closed = this.#stream.closed.then(
      ({ closeCode, reason }) => over({ code: closeCode, reason, wasClean: true }),
      () => over({ code: 1006, reason: "", wasClean: false }),
    );
  }

  async next() {
    try {
      const { value, done } = await this.#reader.read();
      if (done) return undefined;
      return typeof value === "string" ? value : value.buffer ?? value;
    } catch {
      return undefined;
    }
  }

  send(data) {
    if (this.readyState !== WebSocket.OPEN) return;
    this.#writer.write(data).catch(() => {});
  }

  close(closeCode, reason) {
    if (this.readyState >= WebSocket.CLOSING) return;
    this.readyState = WebSocket.CLOSING;
    // What nobody has read would hold the closing handshake back.
    this.#reader?.cancel().catch(() => {});
    try {
      this.#stream.close(closeCode === undefined ? {} : { closeCode, reason });
    } catch {
      this.#stream.close();
    }
  }
}

/** Reads by `WebSocket`, and keeps what is not wanted yet. */
class QueueSource {
  #socket;
  #frames = [];
  #wake = () => {};

  constructor(url, protocols) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => {
      this.#frames.push(data);
      this.#wake();
    };
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = ({ code, reason, wasClean }) => {
        resolve({ code, reason, wasClean });
        this.#wake();
      };
    });
    this.opened = new Promise((resolve) => {
      this.#socket.onopen = () => resolve(true);
      this.closed.then(() => resolve(false));
    });
  }

  get readyState() {
    return this.#socket.readyState;
  }

  get protocol() {
    return this.#socket.protocol;
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  async next() {
    while (!this.#frames.length && this.readyState !== WebSocket.CLOSED) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  send(data) {
    this.#socket.send(data);
  }

  close(code, reason) {
    this.#socket.close(code, reason);
  }
}
