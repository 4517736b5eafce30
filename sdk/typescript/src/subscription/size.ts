// How much memory content takes, roughly.

import type { Content } from "../protocol/messages.js";

/** Bytes of the content, within a factor of two or so. */
export function contentSize(content: Content): number {
  let size = 0;
  // Without recursion: it may be nested deeper than any stack.
  const rest: Content[] = [content];
  for (let item = rest.pop(); item !== undefined; item = rest.pop()) {
    if (typeof item === "string") {
      size += 2 * item.length;
    } else if (item instanceof Uint8Array) {
      size += item.byteLength;
    } else {
      size += WORD;
      if (typeof item === "object" && item !== null) size += takeApart(item, rest);
    }
  }
  return size;
}

/** Puts what is in an array or object to the rest. Gives the bytes of its keys. */
function takeApart(whole: Exclude<Content, string | Uint8Array>, rest: Content[]): number {
  let size = 0;
  if (Array.isArray(whole)) {
    for (const item of whole) rest.push(item);
  } else {
    for (const [key, item] of Object.entries(whole as Record<string, Content>)) {
      size += 2 * key.length + WORD;
      rest.push(item);
    }
  }
  return size;
}

const WORD = 8;
