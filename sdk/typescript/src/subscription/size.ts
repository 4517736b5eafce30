// How much memory content takes, roughly.

import type { Content } from "../protocol/messages.js";

/** Bytes of the content, within a factor of two or so. */
export function contentSize(content: Content): number {
  if (typeof content === "string") return 2 * content.length;
  if (typeof content !== "object" || content === null) return WORD;
  if (content instanceof Uint8Array) return content.byteLength;
  if (Array.isArray(content)) return content.reduce<number>((sum, item) => sum + contentSize(item), WORD);
  return Object.entries(content).reduce((sum, [key, item]) => sum + 2 * key.length + WORD + contentSize(item), WORD);
}

const WORD = 8;
