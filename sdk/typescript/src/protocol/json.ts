// Values that JSON has, and how the application's own become them.

/** A value that JSON has. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** The bytes of a buffer or of a view of one; `undefined` for anything else. */
export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  if (!ArrayBuffer.isView(value)) return undefined;
  return new Uint8Array(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}

/**
 * A copy of `value` as JSON has it, by the rules of `JSON.stringify`: `toJSON` is called, what JSON does not have is left
 * out of objects and `null` in arrays. What would silently become something else throws a `TypeError` that says where.
 */
export function jsonOf(value: unknown): JsonValue {
  const copied = copy(value, "", "data", 0);
  if (copied === undefined) throw new TypeError(`data: ${typeof value} is no JSON value; for nothing, use null`);
  return copied;
}

/** Lone surrogates, which UTF-8 cannot have, replaced as `TextEncoder` does it. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

function copy(value: unknown, key: string, path: string, depth: number): JsonValue | undefined {
  switch (typeof value) {
    case "string":
      return wellFormed(value);
    case "number":
      return Number.isFinite(value) ? value : null;
    case "boolean":
      return value;
    case "bigint":
      throw new TypeError(`${path}: JSON has no bigint; use a number, or a text`);
    case "object":
      return value === null ? null : copyObject(value, key, path, depth);
    default:
      return undefined;
  }
}

function copyObject(value: object, key: string, path: string, depth: number): JsonValue | undefined {
  if (depth >= MAX_DEPTH) {
    throw new TypeError(`data: nested more than ${MAX_DEPTH} deep, or in a circle; make it flatter`);
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    throw new TypeError(`${path}: bytes can be the whole content, not a part of it; use base64 text here`);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return copy(value.toJSON(key), key, path, depth + 1);
  if (Array.isArray(value)) {
    return value.map((item, index) => copy(item, String(index), `${path}[${index}]`, depth + 1) ?? null);
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return copy(value.valueOf(), key, path, depth + 1);
  }
  const entries: [string, JsonValue][] = [];
  for (const [name, item] of Object.entries(value)) {
    const copied = copy(item, name, `${path}.${name}`, depth + 1);
    if (copied !== undefined) entries.push([wellFormed(name), copied]);
  }
  return Object.fromEntries(entries);
}

/** How deep arrays and objects may be nested: as deep as servers read them. */
const MAX_DEPTH = 128;
