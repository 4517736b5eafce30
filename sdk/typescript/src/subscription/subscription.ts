// A subscription as the application sees it.

import type { ContentError } from "../errors.js";
import type { Policy, Position } from "../protocol/messages.js";

/**
 * `subscribing`: there is no connection, or no answer yet. `recovering`: what was missed is on its way. `live`: all that was
 * missed has come. `paused`: more has come than the application took; it goes on once half of it is taken. `ended`: the
 * stream has ended and all of it has come, or `unsubscribe` was called. `failed`: the server refused, or the client is closed.
 */
export type SubscriptionState = "subscribing" | "recovering" | "live" | "paused" | "ended" | "failed";

/** Where a subscription begins. */
export type Start =
  /** With what is published from now on. */
  | "now"
  /** With the first record that is kept. */
  | "beginning"
  /** With the last so many records that are kept; 1 is the latest value. */
  | { readonly last: number }
  /** With the first record of this time or later: milliseconds since 1970. */
  | { readonly time: number }
  /** Behind this position, which a message had. */
  | Position;

/** How to subscribe. */
export interface SubscribeOptions {
  /** Where to begin. @default the namespace's own default, which is "now" unless it is configured otherwise */
  readonly start?: Start;
  /** What happens when the client is slower than the channel. @default the namespace's */
  readonly policy?: Policy;
}

/** How to subscribe, with a type for the content. */
export interface TypedSubscribeOptions<T> extends SubscribeOptions {
  /**
   * Turns the content into what the application works with, and throws if it is none. A record that it refuses is told as an
   * `error` event and left out.
   */
  readonly parse: (data: unknown) => T;
}

/** A record of a stream, or an ephemeral message. */
export interface Message<T = unknown> {
  /** The channel's name. */
  readonly channel: string;
  /** The life of the stream: 16 hexadecimal digits. */
  readonly epoch: string;
  /** The record's number in the stream; `undefined` for an ephemeral message, which the stream does not keep. */
  readonly seq: number | undefined;
  /** Where it lies: begin behind it by `start: position`. `undefined` for an ephemeral message. */
  readonly position: Position | undefined;
  /** When it was published: milliseconds since 1970 by the server's clock. */
  readonly time: number;
  /** What was published: a JSON value, a text, or bytes as `Uint8Array`. */
  readonly data: T;
  /** What kind of message it is, if the publisher said. */
  readonly event: string | undefined;
  /** The user who published, if the server knows. */
  readonly publisher: string | undefined;
  /** How many records before this one the subscription's policy left out. */
  readonly skipped: number;
}

/** Records with `from` < seq <= `to` that cannot be had any more. */
export interface Lost {
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
}

/** How a subscription came to its state. */
export interface SubscriptionChange {
  /** The state before. */
  readonly from: SubscriptionState;
  /** Why, if it is not by the ordinary course of things. */
  readonly cause?: Error;
}

/** The events of a subscription, by name: what their listeners are called with. */
export interface SubscriptionEvents<T> {
  /** A record: each once, in the order of the stream. */
  message: [message: Message<T>];
  /** Records cannot be had any more. */
  lost: [lost: Lost];
  /** The stream began anew, with records behind this position. Positions known before are void. */
  reset: [position: Position];
  /** The state has changed. */
  state: [state: SubscriptionState, change: SubscriptionChange];
  /** The stream has ended; nothing follows. */
  ended: [end: { readonly seq: number }];
  /** A record's content was refused by `parse`, or, as its last event, the subscription has failed. */
  error: [error: Error];
}

/** The same events as one type, for `events()`. */
export type SubscriptionEvent<T> =
  | { readonly type: "message"; readonly message: Message<T> }
  | { readonly type: "lost"; readonly lost: Lost }
  | { readonly type: "reset"; readonly position: Position }
  | { readonly type: "state"; readonly state: SubscriptionState; readonly change: SubscriptionChange }
  | { readonly type: "ended"; readonly seq: number }
  | { readonly type: "error"; readonly error: ContentError };

/**
 * A channel being read. Take its messages by a listener or by `for await`; until one of them is there, they are held.
 *
 * What is held, and what a loop has not taken yet, is bounded: at 1,024 events or about 4 MiB the subscription is `paused`,
 * and goes on from its position once half of both is free. So nothing is lost by a slow loop but ephemeral messages, and what
 * the stream no longer keeps by then, which is told as `lost`. Listeners are called at once, and never cause a pause.
 *
 * Several loops over one subscription share its messages: each goes to one of them.
 */
export interface Subscription<T = unknown> extends AsyncIterable<Message<T>> {
  /** The channel's name. */
  readonly channel: string;
  readonly state: SubscriptionState;
  /** Where the subscription stands: that of the last record that was delivered. `undefined` before the first answer. */
  readonly position: Position | undefined;
  /** Calls `listener` at each `event`, until the returned function is called. */
  on<K extends keyof SubscriptionEvents<T>>(event: K, listener: (...args: SubscriptionEvents<T>[K]) => void): () => void;
  /** The messages. The loop is over when the stream ends or `unsubscribe` is called, and throws when the subscription fails. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>>;
  /** All events, in their order. Over, or throws, as the loop over messages. */
  events(): AsyncIterableIterator<SubscriptionEvent<T>>;
  /** Ends it. No event follows; what is held is dropped. */
  unsubscribe(): void;
}
