// WebSockets whose other end is the test.

import assert from "node:assert/strict";
import { decodeCbor, encodeCbor } from "../../src/codec/cbor.js";
import type { WebSocketClass } from "../../src/connection/transport.js";

/** A message as it stands in a frame. */
export type Wire = Readonly<Record<string, unknown>>;

export class FakeSocket {
  readonly url: string;
  readonly protocols: string[];
  binaryType = "blob";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: Wire[] = [];
  /** Arguments of `close`, once it was called. */
  closed: unknown[] | undefined;
  /** Called with each message that the client sends. */
  onsent: ((message: Wire) => void) | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  get isText(): boolean {
    return this.protocols[0] === "longwire.v1.json";
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const message = (typeof data === "string" ? JSON.parse(data) : decodeCbor(data)) as Wire;
    this.sent.push(message);
    this.onsent?.(message);
  }

  close(...parameters: unknown[]): void {
    this.closed = parameters;
  }

  open(): void {
    this.onopen?.();
  }

  /** A frame from the server: one message, or an array of several. */
  receive(...messages: Wire[]): void {
    const value = messages.length === 1 ? messages[0] : messages;
    this.receiveRaw(this.isText ? JSON.stringify(value) : encodeCbor(value).buffer);
  }

  receiveRaw(data: unknown): void {
    this.onmessage?.({ data });
  }

  /** The transport ends by itself. */
  end(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }

  /** Messages of this type that were sent. */
  all(type: string): Wire[] {
    return this.sent.filter((message) => message["type"] === type);
  }

  /** The last message of this type that was sent. */
  last(type: string): Wire {
    const message = this.all(type).at(-1);
    assert.ok(message, `no ${type} was sent, but ${JSON.stringify(this.sent)}`);
    return message;
  }
}

/** Every socket that was made, in order. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  /** Called with each new socket. */
  ondial: ((socket: FakeSocket) => void) | undefined;
  readonly WebSocket: WebSocketClass;

  constructor() {
    const network = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        network.sockets.push(this);
        network.ondial?.(this);
      }
    };
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket, "no socket was made");
    return socket;
  }
}
