// The messages of the channel protocol, as `specs/protocol.md` has them; optional keys are left out.

import type { JsonValue } from "./json.js";

/** Where a reader or a record stands in a stream. Positions of different epochs have no order. */
export interface Position {
  /** Which life of the stream: 16 hexadecimal digits. */
  readonly epoch: string;
  /** The number of the record, from 1; 0 is the place before the first. */
  readonly seq: number;
}

/** What happens to a subscription whose client takes less than is published. */
export type Policy =
  /** Every record, in order: a slow client reads them from the stream, as fast as it can. */
  | { readonly type: "all" }
  /** Only the latest record, at most one each `interval_ms` milliseconds. @default 0: whenever the client can take one */
  | { readonly type: "latest"; readonly interval_ms?: number }
  /** Every record, gathered into one page each `interval_ms` milliseconds. */
  | { readonly type: "rollup"; readonly interval_ms: number }
  /** What comes while the client is not ready is dropped and counted. */
  | { readonly type: "drop" }
  /** The client is disconnected with 4001, and comes back. */
  | { readonly type: "disconnect" };

/** Where reading begins, on the wire. */
export type WireStart =
  | Position
  | { readonly beginning: true }
  | { readonly last: number }
  | { readonly time: number };

export interface Subscribe {
  readonly sub: number;
  readonly channel: string;
  readonly start?: WireStart;
  readonly policy?: Policy;
}

/** Content as the application has it: a JSON value, or bytes. */
export type Content = JsonValue | Uint8Array<ArrayBuffer>;

export type ClientMessage =
  | {
      readonly type: "connect";
      readonly id: number;
      readonly capabilities: number;
      readonly token?: string;
      readonly ticket?: string;
      readonly client: string;
      readonly subscriptions?: readonly Subscribe[];
    }
  | ({ readonly type: "subscribe"; readonly id: number } & Subscribe)
  | { readonly type: "unsubscribe"; readonly id: number; readonly sub: number }
  | {
      readonly type: "publish";
      readonly id: number;
      readonly channel: string;
      readonly data: Content;
      readonly event?: string;
      readonly key?: string;
      readonly ephemeral?: true;
    }
  | {
      readonly type: "history";
      readonly id: number;
      readonly channel: string;
      readonly from?: Position;
      readonly since?: number;
      readonly limit?: number;
      readonly order?: "forwards" | "backwards";
    }
  | { readonly type: "refresh"; readonly id: number; readonly token: string }
  | { readonly type: "pong" };

/** A record as the server sends it. */
export interface WireRecord {
  /** `undefined` where it is ephemeral. */
  readonly seq: number | undefined;
  readonly time: number;
  readonly data: Content;
  readonly event: string | undefined;
  readonly publisher: string | undefined;
}

/** A record that its stream keeps. */
export interface KeptRecord extends WireRecord {
  readonly seq: number;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly temporary: boolean;
  readonly retryAfterMs: number | undefined;
}

/** How a subscription begins. */
export type Subscribed = {
  readonly sub: number;
  /** The stream's last record: what follows reaches it. */
  readonly position: Position;
} & (
  | { readonly outcome: "live" }
  /** The first push has `after` as its `prev`. */
  | { readonly outcome: "deltas" | "snapshot" | "truncated"; readonly after: number }
);

/** What a server allows a session. */
export interface Limits {
  /** Bytes of the largest message from a client. */
  readonly maxMessageBytes: number;
  /** Subscriptions at a time. */
  readonly maxSubscriptions: number;
  /** Publications a second, over some seconds. */
  readonly publishRate: number;
}

export interface Connected {
  readonly type: "connected";
  readonly id: number;
  readonly session: string;
  readonly user: string | undefined;
  readonly capabilities: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly expiresInMs: number | undefined;
  readonly reconnectWindowMs: number;
  readonly ticket: string | undefined;
  readonly limits: Limits;
  readonly subscriptions: readonly (Subscribed | { readonly sub: number; readonly error: Refusal })[];
}

export interface PublishedAnswer {
  readonly type: "published";
  readonly id: number;
  /** `undefined` for an ephemeral one. */
  readonly position: Position | undefined;
  readonly duplicate: boolean;
}

export interface HistoryAnswer {
  readonly type: "history";
  readonly id: number;
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  readonly messages: readonly KeptRecord[];
  readonly more: boolean;
}

export interface Refreshed {
  readonly type: "refreshed";
  readonly id: number;
  readonly expiresInMs: number | undefined;
  readonly ticket: string | undefined;
}

/** The answer to a command. */
export type Answer =
  | Connected
  | { readonly type: "subscribed"; readonly id: number; readonly subscribed: Subscribed }
  | { readonly type: "unsubscribed"; readonly id: number; readonly sub: number }
  | PublishedAnswer
  | HistoryAnswer
  | Refreshed
  | { readonly type: "error"; readonly id: number; readonly error: Refusal };

/** What happened to a subscription. */
export type Pushed =
  | { readonly type: "message"; readonly prev: number; readonly skipped: number; readonly record: KeptRecord }
  | { readonly type: "ephemeral"; readonly record: WireRecord }
  | { readonly type: "page"; readonly prev: number; readonly records: readonly KeptRecord[]; readonly more: boolean }
  | { readonly type: "lost"; readonly from: number; readonly to: number }
  | { readonly type: "reset"; readonly position: Position }
  | { readonly type: "ended"; readonly seq: number }
  | { readonly type: "refused"; readonly error: Refusal };

export interface Disconnect {
  readonly type: "disconnect";
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
}

export type ServerMessage =
  | { readonly type: "answer"; readonly answer: Answer }
  | { readonly type: "push"; readonly sub: number; readonly pushed: Pushed }
  | { readonly type: "ping" }
  | Disconnect;

/** Bits of `capabilities`: what this client can do. */
export const Capability = { pages: 1, pings: 2, tickets: 4 } as const;
