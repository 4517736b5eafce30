// CBOR (RFC 8949), as much of it as JSON values and bytes need: binary frames.

import { ProtocolError } from "../errors.js";
import type { ClientMessage } from "../protocol/messages.js";
import type { Codec } from "./codec.js";

export const cborCodec: Codec = {
  subprotocol: "longwire.v1.cbor",

  encode(message: ClientMessage): Uint8Array<ArrayBuffer> {
    return encodeCbor(message);
  },

  decode(frame: string | ArrayBuffer): readonly unknown[] {
    if (typeof frame === "string") throw new ProtocolError("a text frame where the subprotocol has binary alone");
    const value = decodeCbor(new Uint8Array(frame));
    return Array.isArray(value) ? value : [value];
  },
};

/** One item: a JSON value, in which there may be bytes. Keys whose value is `undefined` are left out. */
export function encodeCbor(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.item(value);
  return writer.written();
}

/** The one item in `bytes`. Throws a `ProtocolError` that says where it is none. */
export function decodeCbor(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  reader.end();
  return value;
}

/** The major types (section 3.1). */
const Major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  item(value: unknown): void {
    switch (typeof value) {
      case "number":
        return this.#number(value);
      case "string": {
        const utf8 = new TextEncoder().encode(value);
        this.#head(Major.text, utf8.length);
        return this.#append(utf8);
      }
      case "boolean":
        return this.#byte(value ? TRUE : FALSE);
      case "object":
        return this.#object(value);
      default:
        throw new TypeError(`${typeof value} is no CBOR item`);
    }
  }

  #object(value: object | null): void {
    if (value === null) return this.#byte(NULL);
    if (value instanceof Uint8Array) {
      this.#head(Major.bytes, value.length);
      return this.#append(value);
    }
    if (Array.isArray(value)) {
      this.#head(Major.array, value.length);
      for (const item of value) this.item(item);
      return;
    }
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    this.#head(Major.map, entries.length);
    for (const [key, item] of entries) {
      this.item(key);
      this.item(item);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(Major.unsigned, value);
      else this.#head(Major.negative, -1 - value);
      return;
    }
    this.#float(value);
  }

  /** The shortest float that has the value. */
  #float(value: number): void {
    this.#reserve(9);
    const at = this.#length;
    const half = toFloat16(value);
    if (half !== undefined) {
      this.#view.setUint8(at, FLOAT16);
      this.#view.setUint16(at + 1, half);
      this.#length += 3;
    } else if (Math.fround(value) === value) {
      this.#view.setUint8(at, FLOAT32);
      this.#view.setFloat32(at + 1, value);
      this.#length += 5;
    } else {
      this.#view.setUint8(at, FLOAT64);
      this.#view.setFloat64(at + 1, value);
      this.#length += 9;
    }
  }

  /** The head of an item: its major type and its argument, in the shortest form (section 4.1). */
  #head(major: number, argument: number): void {
    const type = major << 5;
    this.#reserve(9);
    const at = this.#length;
    if (argument < 24) {
      this.#view.setUint8(at, type | argument);
      this.#length += 1;
    } else if (argument < 2 ** 8) {
      this.#view.setUint8(at, type | 24);
      this.#view.setUint8(at + 1, argument);
      this.#length += 2;
    } else if (argument < 2 ** 16) {
      this.#view.setUint8(at, type | 25);
      this.#view.setUint16(at + 1, argument);
      this.#length += 3;
    } else if (argument < 2 ** 32) {
      this.#view.setUint8(at, type | 26);
      this.#view.setUint32(at + 1, argument);
      this.#length += 5;
    } else {
      this.#view.setUint8(at, type | 27);
      this.#view.setBigUint64(at + 1, BigInt(argument));
      this.#length += 9;
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw this.#fault(`${this.#bytes.length - this.#at} bytes behind the item`);
  }

  item(depth: number): unknown {
    if (depth > MAX_DEPTH) throw this.#fault(`nested more than ${MAX_DEPTH} deep`);
    const first = this.#view.getUint8(this.#take(1));
    const major = first >> 5;
    const low = first & 31;
    switch (major) {
      case Major.unsigned:
        return this.#argument(low);
      case Major.negative:
        return -1 - this.#argument(low);
      case Major.bytes:
        return low === INDEFINITE ? concatenated(this.#chunks(major)) : this.#string(this.#argument(low)).slice();
      case Major.text:
        return low === INDEFINITE ? this.#chunks(major).map(textOf).join("") : this.#text(this.#argument(low));
      case Major.array:
        return this.#array(low, depth);
      case Major.map:
        return this.#map(low, depth);
      case Major.tag:
        // Only in a key that is not known yet: what it says is ignored with the key.
        this.#argument(low);
        return this.item(depth + 1);
      default:
        return this.#simple(low);
    }
  }

  #array(low: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (const left = this.#counter(low); left(); ) items.push(this.item(depth + 1));
    return items;
  }

  #map(low: number, depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (const left = this.#counter(low); left(); ) {
      const key = this.item(depth + 1);
      if (typeof key !== "string") throw this.#fault("a key that is no text");
      entries.push([key, this.item(depth + 1)]);
    }
    // Not by assignment, to which `__proto__` would be more than a key.
    return Object.fromEntries(entries);
  }

  #simple(low: number): unknown {
    switch (low) {
      case FALSE & 31:
        return false;
      case TRUE & 31:
        return true;
      case NULL & 31:
      case UNDEFINED & 31:
        return null;
      case FLOAT16 & 31:
        return fromFloat16(this.#view.getUint16(this.#take(2)));
      case FLOAT32 & 31:
        return this.#view.getFloat32(this.#take(4));
      case FLOAT64 & 31:
        return this.#view.getFloat64(this.#take(8));
      default:
        throw this.#fault("a simple value that JSON does not have");
    }
  }

  /** The argument in a head: as exact as a number can be. */
  #argument(low: number): number {
    if (low < 24) return low;
    switch (low) {
      case 24:
        return this.#view.getUint8(this.#take(1));
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27:
        return Number(this.#view.getBigUint64(this.#take(8)));
      default:
        throw this.#fault("a head that is not well-formed");
    }
  }

  /** Says before each element of an array or a map whether there is one more. */
  #counter(low: number): () => boolean {
    if (low === INDEFINITE) return () => !this.#takeBreak();
    let left = this.#argument(low);
    return () => left-- > 0;
  }

  /** The pieces of a string of indefinite length (section 3.2.3). */
  #chunks(major: number): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    while (!this.#takeBreak()) {
      const first = this.#view.getUint8(this.#take(1));
      if (first >> 5 !== major) throw this.#fault("a piece of another type in a string");
      chunks.push(this.#string(this.#argument(first & 31)));
    }
    return chunks;
  }

  #takeBreak(): boolean {
    const isBreak = this.#bytes[this.#at] === BREAK;
    if (isBreak) this.#at += 1;
    return isBreak;
  }

  #text(length: number): string {
    return textOf(this.#string(length));
  }

  #string(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Where the next `count` bytes begin. */
  #take(count: number): number {
    const start = this.#at;
    if (count > this.#bytes.length - start) throw this.#fault("it ends in the middle of an item");
    this.#at += count;
    return start;
  }

  #fault(what: string): ProtocolError {
    return new ProtocolError(`a frame is no CBOR that this protocol has, at byte ${this.#at}: ${what}`);
  }
}

function textOf(utf8: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(utf8);
  } catch {
    throw new ProtocolError("a frame has a text that is no UTF-8");
  }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** The half-precision float of exactly this value, if there is one. */
function toFloat16(value: number): number | undefined {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Halves are multiples of 2^-24; those from 2^-14 on have an exponent, and ten bits behind the first.
  const exponent = size < 2 ** -14 ? 0 : Math.floor(Math.log2(size)) + 15;
  if (exponent > 30) return undefined;
  const mantissa = exponent === 0 ? size * 2 ** 24 : size / 2 ** (exponent - 25) - 1024;
  const half = sign | (exponent << 10) | mantissa;
  return Number.isInteger(mantissa) && Object.is(fromFloat16(half), value) ? half : undefined;
}

/** A half-precision float (appendix D). */
function fromFloat16(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}

const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const UNDEFINED = 0xf7;
const FLOAT16 = 0xf9;
const FLOAT32 = 0xfa;
const FLOAT64 = 0xfb;
const BREAK = 0xff;
/** The low bits of a head whose length is not known in advance. */
const INDEFINITE = 31;
const MAX_DEPTH = 200;
