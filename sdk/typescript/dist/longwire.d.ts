// The types of Longwire's client, built from sdk/typescript/src.

/**
 * A client of a Longwire server. It connects with the first thing that is asked of it, comes back by itself whenever the
 * connection is lost, and then goes on where it was: subscriptions from their positions, publications until they are
 * answered.
 */
declare class Client {
    #private;
    /**
     * Makes a client, which does not connect yet. In a page the URL may be relative: `/v1/connect`. Throws a `TypeError` for a
     * URL or an option that cannot work.
     */
    constructor(url: string | URL, options?: ClientOptions);
    get state(): ConnectionState;
    /** The session's name, as the server's HTTP API shows it; `undefined` while the connection is not open. */
    get session(): string | undefined;
    /** The user that the token names, if it names one; `undefined` while the connection is not open. */
    get user(): string | undefined;
    /** What the client has counted so far. */
    get stats(): Stats;
    /** Calls `listener` at each `event`, until the returned function is called. */
    on<K extends keyof ClientEvents>(event: K, listener: (...args: ClientEvents[K]) => void): () => void;
    /** Connects now, before anything else is asked. Throws a `ClosedError` if the client is closed. */
    connect(): void;
    /**
     * Reads a channel from some place on. The same channel may be subscribed several times. Throws a `TypeError` for a name or
     * an option that cannot be, and a `ClosedError` if the client is closed.
     */
    subscribe<T>(channel: string, options: TypedSubscribeOptions<T>): Subscription<T>;
    subscribe(channel: string, options?: SubscribeOptions): Subscription;
    /**
     * Publishes a JSON value, a text, or bytes (a `Uint8Array`), and resolves once the server has accepted it, over any number
     * of lost connections. Rejects with a `RefusedError`, a `QueueFullError` (1,000 publications or 1 MiB wait), a
     * `NotSentError`, an `UnknownOutcomeError`, a `ClosedError`, or a `TypeError` for what JSON does not have.
     */
    publish(channel: string, data: unknown, options: EphemeralOptions): Promise<void>;
    publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
    /**
     * Reads what a channel keeps: a page of it, by default from the first record on. Rejects with a `RefusedError`, a
     * `QueueFullError` (100 questions wait), a `NotAnsweredError`, a `ClosedError`, or a `TypeError`.
     */
    history(channel: string, options?: HistoryOptions): Promise<HistoryPage>;
    /**
     * Closes the client, for good. Subscriptions end at once, without an event. Publications and questions that wait get
     * `timeoutMs` more, over lost connections too, before they are given up. Resolves once all is over.
     */
    close({ timeoutMs }?: {
        readonly timeoutMs?: number;
    }): Promise<void>;
    /** Drops the connection, as if it had ended without a word; the client then comes back. For tests and demonstrations. */
    disconnect(): void;
    /**
     * Says that the application may have slept, or that the network came back. The client finds that out by itself in browsers
     * and in Node; elsewhere, call it when the application comes to the foreground.
     */
    wake(): void;
}

/** The events of a client, by name: what their listeners are called with. */
interface ClientEvents {
    /** The connection's state has changed. */
    state: [state: ConnectionState, change: ConnectionChange];
    /** Something went wrong that the client bears, such as a token callback that failed. */
    error: [error: Error];
}

/** How a client connects. */
interface ClientOptions {
    /**
     * A JSON Web Token or an API key, or a function that gives one. The function is called before an attempt to connect that
     * needs a token, and again at 80 % of the token's lifetime; one call at a time. When it throws, it is called again later;
     * when it gives `null`, there is no token any more, and the client is closed. @default none
     */
    readonly token?: TokenSource;
    /** How messages are written: text, or binary, which is shorter where content is bytes. @default "json" */
    readonly codec?: "json" | "cbor";
    /** The WebSocket class. Node has one of its own since version 22; before that, pass that of `ws` or `undici`. @default the global one */
    readonly WebSocket?: WebSocketClass;
    /** Where the time comes from: for tests. @default the platform's */
    readonly clock?: Clock;
    /** Where random numbers come from: for tests. @default the platform's generator for keys */
    readonly random?: Random;
}

/** A source of time. */
interface Clock {
    /** Wall-clock time: milliseconds since 1970. It goes on while the machine sleeps. */
    now(): number;
    /** Milliseconds since any fixed moment, never going back: for durations. */
    monotonic(): number;
    /** Calls `callback` once, after `delay` milliseconds or later. */
    setTimeout(callback: () => void, delay: number): Timer;
    /** Keeps a timer from calling. One that has called, or `undefined`, is fine. */
    clearTimeout(timer: Timer): void;
}

/** The connection has ended for good: `close()` was called, or the server wants the client to stay away. */
declare class ClosedError extends Error {
    readonly name = "ClosedError";
    /** The close code: 1000 where this side ended it, as by `close()`. */
    readonly code: number;
    /** What the server said, or who closed it. */
    readonly reason: string;
    constructor(code: number, reason: string, options?: ErrorOptions);
}

/** How a connection came to its state. */
interface ConnectionChange {
    /** The state before. */
    readonly from: ConnectionState;
    /** Why, where the state is `waiting` or `closed`, or an attempt begins at once behind a lost connection. */
    readonly cause?: Error;
    /** Milliseconds until the next attempt, where the state is `waiting`. */
    readonly delayMs?: number;
}

/**
 * `idle`: nothing was asked for yet. `connecting`: an attempt is under way. `open`: the server has accepted it. `waiting`:
 * the next attempt has its time. `closed`: for good.
 */
type ConnectionState = "idle" | "connecting" | "open" | "waiting" | "closed";

/** A record's content was refused by the subscription's `parse`, and is left out. */
declare class ContentError extends Error {
    readonly name = "ContentError";
}

/** How to publish what is delivered to those who listen now, and kept nowhere. */
interface EphemeralOptions {
    readonly ephemeral: true;
    /** What kind of message it is: 1 to 128 bytes. @default none */
    readonly event?: string;
    /** Milliseconds until the promise is rejected. @default none */
    readonly timeoutMs?: number;
}

/** Why a command failed. A server may know more than these. */
type ErrorCode = "bad_request" | "unauthenticated" | "token_expired" | "forbidden" | "not_found" | "subscription_exists" | "producer_fenced" | "producer_gap" | "epoch_mismatch" | "stream_ended" | "too_large" | "too_many_subscriptions" | "rate_limited" | "internal" | "unavailable" | "storage_failed" | "storage_full" | (string & Record<never, never>);

/** What of a channel's history to read. */
interface HistoryOptions {
    /** Only what lies behind this position, in the order that is asked for: after it, or before it. */
    readonly from?: Position;
    /** Only what was published at this time or later: milliseconds since 1970. */
    readonly since?: number;
    /** The most records to give. @default the namespace's limit, which bounds this one too */
    readonly limit?: number;
    /** Oldest or newest first. @default "forwards" */
    readonly order?: "forwards" | "backwards";
    /** Milliseconds until the promise is rejected. @default none: it waits as long as the client lives */
    readonly timeoutMs?: number;
}

/** A piece of a channel's history. */
interface HistoryPage {
    /** The life of the stream. */
    readonly epoch: string;
    /** The `seq` of the first record that is kept; one more than `last` if none is. */
    readonly first: number;
    /** The `seq` of the last record; 0 before the first. */
    readonly last: number;
    /** The records, in the order that was asked for. */
    readonly messages: readonly Message[];
    /** Whether more lies behind them: ask again, `from` the position of the last one. */
    readonly more: boolean;
}

/** How long something took: milliseconds, over the last 1,024 times. `null` before the first. */
interface Latency {
    /** How often it was measured in all. */
    readonly count: number;
    readonly last: number | null;
    readonly mean: number | null;
    readonly p50: number | null;
    readonly p99: number | null;
    readonly max: number | null;
}

/** Records with `from` < seq <= `to` that cannot be had any more. */
interface Lost {
    readonly epoch: string;
    readonly from: number;
    readonly to: number;
}

/** The connection was lost, or could not be made. The client tries again. */
declare class LostError extends Error {
    readonly name = "LostError";
    /** The close code; 1006 if it ended without a word. */
    readonly code: number;
    constructor(message: string, code: number);
}

/** A record of a stream, or an ephemeral message. */
interface Message<T = unknown> {
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

/** No answer came in time, or before the client was closed: ask again. */
declare class NotAnsweredError extends Error {
    readonly name = "NotAnsweredError";
}

/** The publication was certainly not sent: publish it again. */
declare class NotSentError extends Error {
    readonly name = "NotSentError";
}

/** What happens to a subscription whose client takes less than is published. */
type Policy =
/** Every record, in order: a slow client reads them from the stream, as fast as it can. */
{
    readonly type: "all";
}
/** Only the latest record, at most one each `interval_ms` milliseconds. @default 0: whenever the client can take one */
 | {
    readonly type: "latest";
    readonly interval_ms?: number;
}
/** Every record, gathered into one page each `interval_ms` milliseconds. */
 | {
    readonly type: "rollup";
    readonly interval_ms: number;
}
/** What comes while the client is not ready is dropped and counted. */
 | {
    readonly type: "drop";
}
/** The client is disconnected with 4001, and comes back. */
 | {
    readonly type: "disconnect";
};

/** Where a reader or a record stands in a stream. Positions of different epochs have no order. */
interface Position {
    /** Which life of the stream: 16 hexadecimal digits. */
    readonly epoch: string;
    /** The number of the record, from 1; 0 is the place before the first. */
    readonly seq: number;
}

/** What arrived is not of the protocol: the server, or something between, speaks another version. */
declare class ProtocolError extends Error {
    readonly name = "ProtocolError";
}

/** How to publish. */
interface PublishOptions {
    /** What kind of message it is, for those who listen by kind: 1 to 128 bytes. @default none */
    readonly event?: string;
    /**
     * Idempotency key: 1 to 128 bytes. However often something is published with it within the namespace's window (10 minutes
     * by default), it is in the stream once. @default one of the client's own, so that what is sent again is stored once
     */
    readonly key?: string;
    /**
     * Milliseconds until the promise is rejected, by a `NotSentError` or an `UnknownOutcomeError`. @default none: it waits as
     * long as the client lives
     */
    readonly timeoutMs?: number;
}

/** Where a publication lies. */
interface Published extends Position {
    /** Whether it was there before: an earlier sending had arrived. */
    readonly duplicate: boolean;
}

/** Nothing was sent: too much waits for the server already. */
declare class QueueFullError extends Error {
    readonly name = "QueueFullError";
    constructor(what: string);
}

/** A random number from 0 up to, and without, 1. */
type Random = () => number;

/**
 * The server refused a command. A publication is then not stored. But with `storage_failed` it may come to light when the server
 * is started again, and where a connection was lost before its answer it may have been stored then. Publish again with `key`,
 * and it is there once.
 */
declare class RefusedError extends Error {
    readonly name = "RefusedError";
    /** Why, as a stable name: `forbidden`, `too_large`, ... */
    readonly code: ErrorCode;
    /** Whether the same command may succeed later. */
    readonly temporary: boolean;
    /** When to try again: milliseconds from the answer. */
    readonly retryAfterMs: number | undefined;
    /** Of a publication: its idempotency key. `undefined` for an ephemeral one, and for any other command. */
    readonly key: string | undefined;
    constructor(refusal: {
        code: string;
        message: string;
        temporary: boolean;
        retryAfterMs: number | undefined;
    }, key?: string);
}

/** Where a subscription begins. */
type Start =
/** With what is published from now on. */
"now"
/** With the first record that is kept. */
 | "beginning"
/** With the last so many records that are kept; 1 is the latest value. */
 | {
    readonly last: number;
}
/** With the first record of this time or later: milliseconds since 1970. */
 | {
    readonly time: number;
}
/** Behind this position, which a message had. */
 | Position;

/** Counts since the client was made, as they are now. */
interface Stats {
    /** Records delivered to subscriptions, ephemeral ones too. */
    readonly received: number;
    /** Records that came twice, and were dropped by their `seq`. */
    readonly doubled: number;
    /** Gaps found, each repaired in its subscription. */
    readonly gaps: number;
    /** Records told as lost: their streams no longer keep them. */
    readonly lost: number;
    /** Records that the policies of subscriptions left out. */
    readonly skipped: number;
    /** Streams that began anew under a subscription. */
    readonly resets: number;
    /** Times that a subscription was paused because the application was behind. */
    readonly paused: number;
    /** Times that the connection was open again. */
    readonly reconnects: number;
    /** Publications that the server has accepted. */
    readonly published: number;
    /** Publications that wait for their answer, sent or not. */
    readonly pending: number;
    /** From sending a publication to the server's answer. */
    readonly latency: Latency;
}

/** How to subscribe. */
interface SubscribeOptions {
    /** Where to begin. @default the namespace's own default, which is "now" unless it is configured otherwise */
    readonly start?: Start;
    /** What happens when the client is slower than the channel. @default the namespace's */
    readonly policy?: Policy;
}

/**
 * A channel being read. Take its messages by a listener or by `for await`; until one of them is there, they are held.
 *
 * What is held, and what a loop has not taken yet, is bounded: at 1,024 events or about 4 MiB the subscription is `paused`,
 * and goes on from its position once half of both is free. So nothing is lost by a slow loop but ephemeral messages, and what
 * the stream no longer keeps by then, which is told as `lost`. Listeners are called at once, and never cause a pause.
 *
 * Several loops over one subscription share its messages: each goes to one of them.
 */
interface Subscription<T = unknown> extends AsyncIterable<Message<T>> {
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

/** How a subscription came to its state. */
interface SubscriptionChange {
    /** The state before. */
    readonly from: SubscriptionState;
    /** Why, if it is not by the ordinary course of things. */
    readonly cause?: Error;
}

/** The same events as one type, for `events()`. */
type SubscriptionEvent<T> = {
    readonly type: "message";
    readonly message: Message<T>;
} | {
    readonly type: "lost";
    readonly lost: Lost;
} | {
    readonly type: "reset";
    readonly position: Position;
} | {
    readonly type: "state";
    readonly state: SubscriptionState;
    readonly change: SubscriptionChange;
} | {
    readonly type: "ended";
    readonly seq: number;
} | {
    readonly type: "error";
    readonly error: ContentError;
};

/** The events of a subscription, by name: what their listeners are called with. */
interface SubscriptionEvents<T> {
    /** A record: each once, in the order of the stream. */
    message: [message: Message<T>];
    /** Records cannot be had any more. */
    lost: [lost: Lost];
    /** The stream began anew, with records behind this position. Positions known before are void. */
    reset: [position: Position];
    /** The state has changed. */
    state: [state: SubscriptionState, change: SubscriptionChange];
    /** The stream has ended; nothing follows. */
    ended: [end: {
        readonly seq: number;
    }];
    /** A record's content was refused by `parse`, or, as its last event, the subscription has failed. */
    error: [error: Error];
}

/**
 * `subscribing`: there is no connection, or no answer yet. `recovering`: what was missed is on its way. `live`: all that was
 * missed has come. `paused`: more has come than the application took; it goes on once half of it is taken. `ended`: the
 * stream has ended and all of it has come, or `unsubscribe` was called. `failed`: the server refused, or the client is closed.
 */
type SubscriptionState = "subscribing" | "recovering" | "live" | "paused" | "ended" | "failed";

/** What a timer is known by; opaque. */
type Timer = unknown;

/** The token callback failed. The client tries again as after a lost connection. */
declare class TokenError extends Error {
    readonly name = "TokenError";
}

/** A token, or a function that gives one. `null` says that there is none: the user has signed out. */
type TokenSource = string | (() => string | null | Promise<string | null>);

/** How to subscribe, with a type for the content. */
interface TypedSubscribeOptions<T> extends SubscribeOptions {
    /**
     * Turns the content into what the application works with, and throws if it is none. A record that it refuses is told as an
     * `error` event and left out.
     */
    readonly parse: (data: unknown) => T;
}

/**
 * The publication was sent, and its answer did not come. It may be in its stream or not: publish it again with `key`, and it
 * is there once.
 */
declare class UnknownOutcomeError extends Error {
    readonly name = "UnknownOutcomeError";
    /** The publication's idempotency key; `undefined` for an ephemeral one. */
    readonly key: string | undefined;
    constructor(cause: string, key: string | undefined, options?: ErrorOptions);
}

/** A WebSocket class: a browser's, that of Node 22, or that of the package `ws`. */
type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** What the client uses of a WebSocket. Its four handlers are set once, right after it is made. */
interface WebSocketLike {
    binaryType: string;
    /** Set to `() => void`. */
    onopen: unknown;
    /** Set to `(event: {data: string | ArrayBuffer}) => void`. */
    onmessage: unknown;
    /** Set to `() => void`. Before it was open, it means that it never will be. */
    onerror: unknown;
    /** Set to `(event: {code: number, reason: string}) => void`. */
    onclose: unknown;
    send(data: string | Uint8Array<ArrayBuffer>): void;
    close(code?: number, reason?: string): void;
}

export {
  Client,
  ClientEvents,
  ClientOptions,
  Clock,
  ClosedError,
  ConnectionChange,
  ConnectionState,
  ContentError,
  EphemeralOptions,
  ErrorCode,
  HistoryOptions,
  HistoryPage,
  Latency,
  Lost,
  LostError,
  Message,
  NotAnsweredError,
  NotSentError,
  Policy,
  Position,
  ProtocolError,
  PublishOptions,
  Published,
  QueueFullError,
  Random,
  RefusedError,
  Start,
  Stats,
  SubscribeOptions,
  Subscription,
  SubscriptionChange,
  SubscriptionEvent,
  SubscriptionEvents,
  SubscriptionState,
  Timer,
  TokenError,
  TokenSource,
  TypedSubscribeOptions,
  UnknownOutcomeError,
  WebSocketClass,
  WebSocketLike,
};
