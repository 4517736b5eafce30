// What goes wrong: each error names the cause and the cure.

import type { ErrorCode } from "./protocol/codes.js";

/**
 * The server refused a command. A publication is then not stored. But with `storage_failed` it may come to light when the server
 * is started again, and where a connection was lost before its answer it may have been stored then. Publish again with `key`,
 * and it is there once.
 */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** Why, as a stable name: `forbidden`, `too_large`, ... */
  readonly code: ErrorCode;
  /** Whether the same command may succeed later. */
  readonly temporary: boolean;
  /** When to try again: milliseconds from the answer. */
  readonly retryAfterMs: number | undefined;
  /** Of a publication: its idempotency key. `undefined` for an ephemeral one, and for any other command. */
  readonly key: string | undefined;

  constructor(refusal: { code: string; message: string; temporary: boolean; retryAfterMs: number | undefined }, key?: string) {
    const mayBeStored = refusal.code === "storage_failed" && key !== undefined;
    super(`${refusal.code}: ${refusal.message}${mayBeStored ? `; it may be stored all the same: ${onceWith(key)}` : ""}`);
    this.key = key;
    this.code = refusal.code;
    this.temporary = refusal.temporary;
    this.retryAfterMs = refusal.retryAfterMs;
  }
}

/** The publication was certainly not sent: publish it again. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

/**
 * The publication was sent, and its answer did not come. It may be in its stream or not: publish it again with `key`, and it
 * is there once.
 */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
  /** The publication's idempotency key; `undefined` for an ephemeral one. */
  readonly key: string | undefined;

  constructor(cause: string, key: string | undefined, options?: ErrorOptions) {
    const cure = key === undefined ? "" : `; ${onceWith(key)}`;
    super(`${cause}: the outcome is unknown, it may be published${cure}`, options);
    this.key = key;
  }
}

function onceWith(key: string): string {
  return `publish again with the key "${key}", and it is there once`;
}

/** Nothing was sent: too much waits for the server already. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";

  constructor(what: string) {
    super(`${what} wait for the server already, and nothing of this one was sent: wait for an answer to one of them`);
  }
}

/** The connection has ended for good: `close()` was called, or the server wants the client to stay away. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";
  /** The close code: 1000 where this side ended it, as by `close()`. */
  readonly code: number;
  /** What the server said, or who closed it. */
  readonly reason: string;

  constructor(code: number, reason: string, options?: ErrorOptions) {
    const told = reason || "it gave no reason";
    super(
      code === 1000 ? `${reason}: make a new client` : `the server closed the connection for good with ${code}: ${told}`,
      options,
    );
    this.code = code;
    this.reason = reason;
  }
}

/** No answer came in time, or before the client was closed: ask again. */
export class NotAnsweredError extends Error {
  override readonly name = "NotAnsweredError";
}

/** What arrived is not of the protocol: the server, or something between, speaks another version. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** The token callback failed. The client tries again as after a lost connection. */
export class TokenError extends Error {
  override readonly name = "TokenError";
}

/** A record's content was refused by the subscription's `parse`, and is left out. */
export class ContentError extends Error {
  override readonly name = "ContentError";
}

/** The connection was lost, or could not be made. The client tries again. */
export class LostError extends Error {
  override readonly name = "LostError";
  /** The close code; 1006 if it ended without a word. */
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}
