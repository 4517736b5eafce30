// The seam between messages and frames.

import type { ClientMessage } from "../protocol/messages.js";

/** What a WebSocket sends: text, or bytes. */
export type Frame = string | Uint8Array<ArrayBuffer>;

/** One of the protocol's two encodings. */
export interface Codec {
  /** The subprotocol that stands for it in the opening handshake. */
  readonly subprotocol: string;
  /** A frame with this one message. */
  encode(message: ClientMessage): Frame;
  /** The values in a frame: a message, or a list of messages, not yet parsed. Throws a `ProtocolError`. */
  decode(frame: string | ArrayBuffer): readonly unknown[];
}

/** Bytes of a frame as it is sent. */
export function frameBytes(frame: Frame): number {
  return typeof frame === "string" ? new TextEncoder().encode(frame).byteLength : frame.byteLength;
}
