// The golden fixtures of specs/fixtures, which every implementation of the protocol is held to, in both codecs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cborCodec } from "../../src/codec/cbor.js";
import { jsonCodec } from "../../src/codec/json.js";
import { ProtocolError } from "../../src/errors.js";
import type { ClientMessage, Refusal, ServerMessage, Subscribed, WireRecord } from "../../src/protocol/messages.js";
import { parseServerMessage } from "../../src/protocol/parse.js";
import type { Wire } from "../support/network.js";

declare const PACKAGE: string;

interface Fixture {
  readonly name: string;
  readonly direction: "client" | "server";
  readonly codec: "json" | "cbor";
  readonly json: Wire;
  readonly cbor_hex: string;
  readonly frame: string;
  readonly messages: readonly Wire[];
}

const fixtures = (file: string): Fixture[] =>
  JSON.parse(readFileSync(join(PACKAGE, "../../specs/fixtures", file), "utf8")) as Fixture[];
const bytesOf = (hex: string): ArrayBuffer => Uint8Array.from(Buffer.from(hex, "hex")).buffer;
/** The messages in a frame, without those of unknown types. */
const parsed = (values: readonly unknown[]): ServerMessage[] => values.flatMap((value) => parseServerMessage(value) ?? []);

test("what clients say is written as the fixtures have it", () => {
  const ours = fixtures("messages.json").filter(({ direction }) => direction === "client");
  assert.ok(ours.length > 20);
  for (const { name, json, cbor_hex } of ours) {
    const message = withBytes(json) as ClientMessage;
    assert.equal(jsonCodec.encode(message), JSON.stringify(json), name);
    assert.equal(Buffer.from(cborCodec.encode(message) as Uint8Array).toString("hex"), cbor_hex, name);
  }
});

/** A message as it is before a codec writes it: bytes are bytes. */
function withBytes(json: Wire): unknown {
  const entries = Object.entries(json).map(([key, value]) =>
    key === "base64" ? ["data", Uint8Array.from(Buffer.from(String(value), "base64"))] : [key, value],
  );
  return Object.fromEntries(entries) as unknown;
}

test("what servers say is read as the fixtures have it, to the last field", () => {
  const theirs = fixtures("messages.json").filter(({ direction }) => direction === "server");
  assert.ok(theirs.length > 20);
  for (const { name, json, cbor_hex } of theirs) {
    const [fromJson] = parsed(jsonCodec.decode(JSON.stringify(json)));
    const [fromCbor] = parsed(cborCodec.decode(bytesOf(cbor_hex)));
    assert.deepEqual(fromCbor, fromJson, name);
    assert.deepEqual(fromJson && wireOf(fromJson), json, name);
  }
});

test("frames of servers hold what the fixtures say", () => {
  const theirs = fixtures("frames.json").filter(({ direction }) => direction === "server");
  assert.ok(theirs.length > 2);
  for (const { name, codec, frame, messages } of theirs) {
    const read = codec === "json" ? jsonCodec.decode(frame) : cborCodec.decode(bytesOf(frame));
    assert.deepEqual(parsed(read).map((message) => message.type), parsed(messages).map((message) => message.type), name);
  }
});

test("frames of servers that are broken are refused", () => {
  const theirs = fixtures("bad.json").filter(({ direction }) => direction === "server");
  assert.ok(theirs.length > 8);
  for (const { name, codec, frame } of theirs) {
    const read = (): unknown => parsed(codec === "json" ? jsonCodec.decode(frame) : cborCodec.decode(bytesOf(frame)));
    assert.throws(read, ProtocolError, name);
  }
});

/** The message as a server would write it in JSON. */
function wireOf(message: ServerMessage): Wire {
  switch (message.type) {
    case "ping":
      return { type: "ping" };
    case "disconnect": {
      const { code, reason } = message;
      return tidy({ type: "disconnect", code, reason, reconnect: code < 4500, retry_after_ms: message.retryAfterMs });
    }
    case "answer":
      return answerOf(message.answer);
    case "push":
      return pushOf(message);
  }
}

function answerOf(answer: Extract<ServerMessage, { type: "answer" }>["answer"]): Wire {
  const { type, id } = answer;
  switch (answer.type) {
    case "connected": {
      const { maxMessageBytes, maxSubscriptions, publishRate } = answer.limits;
      return tidy({
        type,
        id,
        session: answer.session,
        user: answer.user,
        capabilities: answer.capabilities,
        ping_interval_ms: answer.pingIntervalMs,
        pong_timeout_ms: answer.pongTimeoutMs,
        expires_in_ms: answer.expiresInMs,
        reconnect_window_ms: answer.reconnectWindowMs,
        ticket: answer.ticket,
        limits: { max_message_bytes: maxMessageBytes, max_subscriptions: maxSubscriptions, publish_rate: publishRate },
        subscriptions: answer.subscriptions.map((each) =>
          "error" in each ? { sub: each.sub, error: refusalOf(each.error) } : subscribedOf(each),
        ),
      });
    }
    case "subscribed":
      return { type, id, ...subscribedOf(answer.subscribed) };
    case "unsubscribed":
      return { type, id, sub: answer.sub };
    case "published":
      return { type, id, ...answer.position, ...(answer.duplicate && { duplicate: true }) };
    case "history": {
      const { epoch, first, last, more } = answer;
      return { type, id, epoch, first, last, messages: answer.messages.map(recordOf), more };
    }
    case "refreshed":
      return tidy({ type, id, expires_in_ms: answer.expiresInMs, ticket: answer.ticket });
    case "error":
      return { type, id, ...refusalOf(answer.error) };
  }
}

function pushOf({ sub, pushed }: Extract<ServerMessage, { type: "push" }>): Wire {
  const { type } = pushed;
  switch (pushed.type) {
    case "message": {
      const { prev, skipped, record } = pushed;
      return tidy({ type, sub, prev, skipped: skipped || undefined, ...recordOf(record) });
    }
    case "ephemeral":
      return { type: "message", sub, ...recordOf(pushed.record) };
    case "page":
      return { type, sub, prev: pushed.prev, messages: pushed.records.map(recordOf), more: pushed.more };
    case "lost":
      return { type, sub, from: pushed.from, to: pushed.to };
    case "reset":
      return { type, sub, ...pushed.position };
    case "ended":
      return { type, sub, seq: pushed.seq };
    case "refused":
      return { type: "unsubscribed", sub, error: refusalOf(pushed.error) };
  }
}

function subscribedOf(subscribed: Subscribed): Wire {
  const { sub, position, outcome } = subscribed;
  return tidy({ sub, ...position, outcome, after: "after" in subscribed ? subscribed.after : undefined });
}

function recordOf({ seq, time, data, event, publisher }: WireRecord): Wire {
  const content = data instanceof Uint8Array ? { base64: Buffer.from(data).toString("base64") } : { data };
  return tidy({ seq, time, ...content, event, publisher });
}

function refusalOf({ code, message, temporary, retryAfterMs }: Refusal): Wire {
  return tidy({ code, message, temporary, retry_after_ms: retryAfterMs });
}

/** Without keys that stand for nothing. */
function tidy(wire: Wire): Wire {
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== undefined));
}
