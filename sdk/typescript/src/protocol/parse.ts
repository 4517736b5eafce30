// Server messages from decoded values: parsed, never cast. Unknown keys and types are ignored.

import { ProtocolError } from "../errors.js";
import type { JsonValue } from "./json.js";
import type {
  Answer,
  Connected,
  Content,
  KeptRecord,
  Limits,
  Position,
  Pushed,
  Refusal,
  ServerMessage,
  Subscribed,
  WireRecord,
} from "./messages.js";

/** The message, or `undefined` if its type is unknown. Throws a `ProtocolError` if it breaks the protocol. */
export function parseServerMessage(value: unknown): ServerMessage | undefined {
  const fields = Fields.of(value, "message");
  const type = fields.text("type");
  fields.name = type;
  switch (type) {
    case "connected":
    case "subscribed":
    case "published":
    case "history":
    case "refreshed":
    case "error":
      return { type: "answer", answer: answer(type, fields) };
    case "unsubscribed":
      return fields.has("id")
        ? { type: "answer", answer: { type, id: fields.integer("id"), sub: fields.integer("sub") } }
        : push(fields, { type: "refused", error: refusal(fields.inner("error")) });
    case "message":
      return push(fields, message(fields));
    case "page":
      return push(fields, {
        type,
        prev: fields.integer("prev"),
        records: fields.list("messages").map(keptRecord),
        more: fields.boolean("more"),
      });
    case "lost":
      return push(fields, { type, from: fields.integer("from"), to: fields.integer("to") });
    case "reset":
      return push(fields, { type, position: position(fields) });
    case "ended":
      return push(fields, { type, seq: fields.integer("seq") });
    case "ping":
      return { type };
    case "disconnect":
      return {
        type,
        code: fields.integer("code", 65_535),
        reason: fields.text("reason"),
        retryAfterMs: fields.optional("retry_after_ms")?.integer("retry_after_ms"),
      };
    default:
      return undefined;
  }
}

function push(fields: Fields, pushed: Pushed): ServerMessage {
  return { type: "push", sub: fields.integer("sub"), pushed };
}

function answer(type: Exclude<Answer["type"], "unsubscribed">, fields: Fields): Answer {
  const id = fields.integer("id");
  switch (type) {
    case "connected":
      return connected(id, fields);
    case "subscribed":
      return { type, id, subscribed: subscribed(fields) };
    case "published": {
      const kept = fields.has("epoch") ? position(fields) : undefined;
      return { type, id, position: kept, duplicate: fields.flag("duplicate") };
    }
    case "history":
      return {
        type,
        id,
        epoch: fields.epoch("epoch"),
        first: fields.integer("first"),
        last: fields.integer("last"),
        messages: fields.list("messages").map(keptRecord),
        more: fields.boolean("more"),
      };
    case "refreshed":
      return {
        type,
        id,
        expiresInMs: fields.optional("expires_in_ms")?.integer("expires_in_ms"),
        ticket: fields.optional("ticket")?.text("ticket"),
      };
    case "error":
      return { type, id, error: refusal(fields) };
  }
}

function connected(id: number, fields: Fields): Connected {
  return {
    type: "connected",
    id,
    session: fields.text("session"),
    user: fields.optional("user")?.text("user"),
    capabilities: fields.integer("capabilities"),
    pingIntervalMs: fields.integer("ping_interval_ms"),
    pongTimeoutMs: fields.integer("pong_timeout_ms"),
    expiresInMs: fields.optional("expires_in_ms")?.integer("expires_in_ms"),
    reconnectWindowMs: fields.integer("reconnect_window_ms"),
    ticket: fields.optional("ticket")?.text("ticket"),
    limits: limits(fields.inner("limits")),
    subscriptions: fields.list("subscriptions").map((value) => {
      const each = Fields.of(value, "connected.subscriptions");
      return each.has("error")
        ? { sub: each.integer("sub"), error: refusal(each.inner("error")) }
        : subscribed(each);
    }),
  };
}

function limits(fields: Fields): Limits {
  return {
    maxMessageBytes: fields.integer("max_message_bytes"),
    maxSubscriptions: fields.integer("max_subscriptions"),
    publishRate: fields.integer("publish_rate"),
  };
}

function subscribed(fields: Fields): Subscribed {
  const begins = { sub: fields.integer("sub"), position: position(fields) };
  const outcome = fields.text("outcome");
  switch (outcome) {
    case "live":
      return { ...begins, outcome };
    case "deltas":
    case "snapshot":
    case "truncated":
      return { ...begins, outcome, after: fields.integer("after") };
    default:
      throw fields.fault("outcome", "live, deltas, snapshot or truncated");
  }
}

function message(fields: Fields): Pushed {
  if (!fields.has("seq")) return { type: "ephemeral", record: record(fields) };
  const skipped = fields.optional("skipped")?.integer("skipped") ?? 0;
  return { type: "message", prev: fields.integer("prev"), skipped, record: kept(fields) };
}

function keptRecord(value: unknown): KeptRecord {
  return kept(Fields.of(value, "record"));
}

function kept(fields: Fields): KeptRecord {
  return { ...record(fields), seq: fields.integer("seq") };
}

function record(fields: Fields): WireRecord {
  return {
    seq: undefined,
    time: fields.integer("time"),
    data: fields.content(),
    event: fields.optional("event")?.text("event"),
    publisher: fields.optional("publisher")?.text("publisher"),
  };
}

function refusal(fields: Fields): Refusal {
  return {
    code: fields.text("code"),
    message: fields.text("message"),
    temporary: fields.flag("temporary"),
    retryAfterMs: fields.optional("retry_after_ms")?.integer("retry_after_ms"),
  };
}

function position(fields: Fields): Position {
  return { epoch: fields.epoch("epoch"), seq: fields.integer("seq") };
}

/** The keys of one object, each read as what it must be. */
class Fields {
  /** How faults name the object. */
  name: string;
  readonly #values: object;

  private constructor(values: object, name: string) {
    this.#values = values;
    this.name = name;
  }

  static of(value: unknown, name: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
      throw new ProtocolError(`${name}: expected an object, got ${shown(value)}`);
    }
    return new Fields(value, name);
  }

  /** Whether the key is there and stands for something: `null` counts as absent. */
  has(key: string): boolean {
    return (this.#get(key) ?? null) !== null;
  }

  /** These fields, if `key` is among them. */
  optional(key: string): Fields | undefined {
    return this.has(key) ? this : undefined;
  }

  inner(key: string): Fields {
    return Fields.of(this.#get(key), `${this.name}.${key}`);
  }

  text(key: string): string {
    const value = this.#get(key);
    if (typeof value !== "string") throw this.fault(key, "a text");
    return value;
  }

  integer(key: string, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(key);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > most) {
      throw this.fault(key, `a whole number from 0 to ${most}`);
    }
    return value;
  }

  boolean(key: string): boolean {
    const value = this.#get(key);
    if (typeof value !== "boolean") throw this.fault(key, "true or false");
    return value;
  }

  /** A boolean that is left out when it is false. */
  flag(key: string): boolean {
    return this.has(key) && this.boolean(key);
  }

  list(key: string): readonly unknown[] {
    const value = this.#get(key);
    if (!Array.isArray(value)) throw this.fault(key, "a list");
    return value;
  }

  epoch(key: string): string {
    const value = this.text(key);
    if (!EPOCH.test(value)) throw this.fault(key, "16 hexadecimal digits");
    return value;
  }

  /** What was published: `data`, or `base64` for bytes in JSON. */
  content(): Content {
    // Here null is a content. Decoders give nothing but JSON values and bytes.
    if (Object.hasOwn(this.#values, "data")) return this.#get("data") as JsonValue | Uint8Array<ArrayBuffer>;
    const base64 = this.text("base64");
    try {
      return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    } catch {
      throw this.fault("base64", "base64 text");
    }
  }

  fault(key: string, expected: string): ProtocolError {
    return new ProtocolError(`${this.name}.${key}: expected ${expected}, got ${shown(this.#get(key))}`);
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? (this.#values as Record<string, unknown>)[key] : undefined;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (ArrayBuffer.isView(value)) return "bytes";
  // In full it might be nested deeper than any stack.
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}

const EPOCH = /^[0-9a-f]{16}$/i;
const SHOWN_LENGTH = 60;
