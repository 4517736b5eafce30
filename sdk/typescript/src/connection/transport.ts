// One WebSocket, from its opening to its end.

import type { Codec, Frame } from "../codec/codec.js";
import { ProtocolError } from "../errors.js";
import { CloseCode } from "../protocol/codes.js";

/** A WebSocket class: a browser's, that of Node 22, or that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** What the client uses of a WebSocket. Its four handlers are set once, right after it is made. */
export interface WebSocketLike {
  binaryType: string;
  /** Set to `() => void`. */
  onopen: unknown;
  /** Set to `(event: {data: string | ArrayBuffer}) => void`. */
  onmessage: unknown;
  /** Set to `() => void`. Before it was open, it means that it never will be. */
  onerror: unknown;
  /** Set to `(event: {code: number, reason: string}) => void`. */
  onclose: unknown;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** What is told of a transport. Nothing is told once `close` was called. */
export interface TransportEvents {
  opened(): void;
  /** Each value of a frame, not yet parsed. */
  received(value: unknown): void;
  /** A frame that cannot be read. */
  unreadable(error: ProtocolError): void;
  /** It has ended by itself: 1006 without a Close frame. */
  ended(code: number, reason: string): void;
}

export class Transport {
  readonly #socket: WebSocketLike;
  #isOpen = false;
  #events: TransportEvents | undefined;

  /** Begins to open it. Throws what the class throws for a URL that it does not take. */
  constructor(WebSocket: WebSocketClass, url: string, codec: Codec, events: TransportEvents) {
    const socket = new WebSocket(url, [codec.subprotocol]);
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#isOpen = true;
      this.#events?.opened();
    };
    socket.onmessage = (event: { readonly data: unknown }) => this.#read(codec, event.data);
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => this.#end(event.code, event.reason);
    socket.onerror = () => {
      // A connection that cannot be made has no close event in Node 20 (undici 6).
      if (!this.#isOpen) this.#end(CloseCode.abnormal, "");
    };
  }

  /** Sends a frame. It must be open; one that has just ended drops it. */
  send(frame: Frame): void {
    try {
      this.#socket.send(frame);
    } catch {
      // It is closing, and `onclose` is on its way.
    }
  }

  /** Closes it. Whatever still comes is not told. */
  close(code?: number): void {
    this.#events = undefined;
    try {
      // Browsers take 1000 and 3000 to 4999 alone, so a fault has no code of its own here.
      if (code === CloseCode.normal) this.#socket.close(code);
      else this.#socket.close();
    } catch {
      // It has not opened yet, in a class that minds.
    }
  }

  #end(code: number, reason: string): void {
    const told = this.#events;
    this.#events = undefined;
    told?.ended(code, reason);
  }

  #read(codec: Codec, data: unknown): void {
    try {
      for (const value of codec.decode(frameOf(data))) this.#events?.received(value);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#events?.unreadable(error);
    }
  }
}

function frameOf(data: unknown): string | ArrayBuffer {
  if (typeof data === "string" || data instanceof ArrayBuffer) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).buffer;
  }
  throw new ProtocolError("a frame is neither text nor an ArrayBuffer: the WebSocket class ignores `binaryType`");
}
