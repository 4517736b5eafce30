// JSON: text frames, bytes as `base64`.

import { ProtocolError } from "../errors.js";
import type { ClientMessage } from "../protocol/messages.js";
import type { Codec } from "./codec.js";

export const jsonCodec: Codec = {
  subprotocol: "longwire.v1.json",

  encode(message: ClientMessage): string {
    if (message.type !== "publish" || !(message.data instanceof Uint8Array)) return JSON.stringify(message);
    const { type, id, channel, data, ...rest } = message;
    return JSON.stringify({ type, id, channel, base64: base64Of(data), ...rest });
  },

  decode(frame: string | ArrayBuffer): readonly unknown[] {
    if (typeof frame !== "string") throw new ProtocolError("a binary frame where the subprotocol has text alone");
    let value: unknown;
    try {
      value = JSON.parse(frame);
    } catch (error) {
      throw new ProtocolError(`a frame is no JSON: ${String(error)}`);
    }
    return Array.isArray(value) ? value : [value];
  },
};

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}

/** Bytes that fit into the arguments of one call in every engine. */
const CHUNK = 8192;
