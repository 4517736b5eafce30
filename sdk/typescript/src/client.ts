// The client: one connection, and the subscriptions and publications over it.

import { checkChannel, checkPolicy, checkToken, isCount, isPosition, wireStart } from "./checks.js";
import { Historian, type HistoryOptions, type HistoryPage } from "./commands/historian.js";
import { type Published, Publisher } from "./commands/publisher.js";
import { Connection, type ConnectionChange, type ConnectionState } from "./connection/connection.js";
import { currentPage, watchWake } from "./connection/wake.js";
import { ClosedError } from "./errors.js";
import { Emitter } from "./events.js";
import { type ClientOptions, type Settings, settingsOf } from "./options.js";
import { CloseCode } from "./protocol/codes.js";
import { bytesOf, jsonOf } from "./protocol/json.js";
import { Counters, type Stats } from "./stats.js";
import type { SubscribeOptions, Subscription, TypedSubscribeOptions } from "./subscription/subscription.js";
import { Subscriptions } from "./subscription/subscriptions.js";

/** How to publish. */
export interface PublishOptions {
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

/** How to publish what is delivered to those who listen now, and kept nowhere. */
export interface EphemeralOptions {
  readonly ephemeral: true;
  /** What kind of message it is: 1 to 128 bytes. @default none */
  readonly event?: string;
  /** Milliseconds until the promise is rejected. @default none */
  readonly timeoutMs?: number;
}

/** The events of a client, by name: what their listeners are called with. */
export interface ClientEvents {
  /** The connection's state has changed. */
  state: [state: ConnectionState, change: ConnectionChange];
  /** Something went wrong that the client bears, such as a token callback that failed. */
  error: [error: Error];
}

/**
 * A client of a Longwire server. It connects with the first thing that is asked of it, comes back by itself whenever the
 * connection is lost, and then goes on where it was: subscriptions from their positions, publications until they are
 * answered.
 */
export class Client {
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #subscriptions: Subscriptions;
  readonly #publisher: Publisher;
  readonly #historian: Historian;
  readonly #events = new Emitter<ClientEvents>();
  readonly #counters = new Counters();
  /** Times that the connection was open. */
  #openings = 0;
  #stopWatching: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes a client, which does not connect yet. In a page the URL may be relative: `/v1/connect`. Throws a `TypeError` for a
   * URL or an option that cannot work.
   */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const settings = settingsOf(url, options);
    this.#settings = settings;
    this.#connection = new Connection(settings, {
      greet: () => this.#subscriptions.greet(),
      opened: (connected) => {
        this.#subscriptions.opened(connected);
        this.#publisher.send();
        this.#historian.opened();
      },
      pushed: (sub, pushed) => this.#subscriptions.pushed(sub, pushed),
      lost: () => {
        this.#subscriptions.connectionLost();
        this.#publisher.connectionLost();
        this.#historian.connectionLost();
      },
      changed: (state, change) => this.#changed(state, change),
      failed: (error) => this.#events.emit("error", error),
    });
    const parts = { ...settings, connection: this.#connection };
    this.#subscriptions = new Subscriptions(this.#connection);
    this.#publisher = new Publisher(parts);
    this.#historian = new Historian(parts);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** The session's name, as the server's HTTP API shows it; `undefined` while the connection is not open. */
  get session(): string | undefined {
    return this.#connection.connected?.session;
  }

  /** The user that the token names, if it names one; `undefined` while the connection is not open. */
  get user(): string | undefined {
    return this.#connection.connected?.user;
  }

  /** What the client has counted so far. */
  get stats(): Stats {
    return {
      ...this.#counters,
      reconnects: Math.max(0, this.#openings - 1),
      published: this.#publisher.published,
      pending: this.#publisher.pending,
      latency: this.#publisher.latency.snapshot(),
    };
  }

  /** Calls `listener` at each `event`, until the returned function is called. */
  on<K extends keyof ClientEvents>(event: K, listener: (...args: ClientEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** Connects now, before anything else is asked. Throws a `ClosedError` if the client is closed. */
  connect(): void {
    this.#begin();
  }

  /**
   * Reads a channel from some place on. The same channel may be subscribed several times. Throws a `TypeError` for a name or
   * an option that cannot be, and a `ClosedError` if the client is closed.
   */
  subscribe<T>(channel: string, options: TypedSubscribeOptions<T>): Subscription<T>;
  subscribe(channel: string, options?: SubscribeOptions): Subscription;
  subscribe(channel: string, options: SubscribeOptions | TypedSubscribeOptions<unknown> = {}): Subscription {
    checkChannel(channel);
    const start = wireStart(options.start);
    const policy = checkPolicy(options.policy);
    const parse = "parse" in options ? options.parse : (data: unknown) => data;
    const { clock, random } = this.#settings;
    this.#begin();
    return this.#subscriptions.add({ channel, start, policy, parse, clock, random, counters: this.#counters });
  }

  /**
   * Publishes a JSON value, a text, or bytes (a `Uint8Array`), and resolves once the server has accepted it, over any number
   * of lost connections. Rejects with a `RefusedError`, a `QueueFullError` (1,000 publications or 1 MiB wait), a
   * `NotSentError`, an `UnknownOutcomeError`, a `ClosedError`, or a `TypeError` for what JSON does not have.
   */
  publish(channel: string, data: unknown, options: EphemeralOptions): Promise<void>;
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
  async publish(
    channel: string,
    data: unknown,
    options: PublishOptions | EphemeralOptions = {},
  ): Promise<Published | undefined | void> {
    checkChannel(channel);
    const { event, timeoutMs, key, ephemeral } = options as PublishOptions & Partial<EphemeralOptions>;
    checkToken("event", event);
    checkToken("key", key);
    checkTime("timeoutMs", timeoutMs);
    if (ephemeral && key !== undefined) throw new TypeError("an ephemeral publication is kept nowhere: it takes no key");
    const content = bytesOf(data) ?? jsonOf(data);
    this.#begin();
    return this.#publisher.publish({ channel, data: content, event, key, ephemeral: ephemeral === true, timeoutMs });
  }

  /**
   * Reads what a channel keeps: a page of it, by default from the first record on. Rejects with a `RefusedError`, a
   * `QueueFullError` (100 questions wait), a `NotAnsweredError`, a `ClosedError`, or a `TypeError`.
   */
  async history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    checkChannel(channel);
    const { from, since, limit, order, timeoutMs } = options;
    if (from !== undefined && !isPosition(from)) throw new TypeError(`from ${JSON.stringify(from)}: give {epoch, seq}`);
    if (order !== undefined && order !== "forwards" && order !== "backwards") {
      throw new TypeError(`order ${JSON.stringify(order)}: give "forwards" or "backwards"`);
    }
    checkTime("since", since);
    checkTime("limit", limit);
    checkTime("timeoutMs", timeoutMs);
    this.#begin();
    return this.#historian.read(channel, {
      ...(from !== undefined && { from: { epoch: from.epoch, seq: from.seq } }),
      ...(since !== undefined && { since }),
      ...(limit !== undefined && { limit }),
      ...(order !== undefined && { order }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  }

  /**
   * Closes the client, for good. Subscriptions end at once, without an event. Publications and questions that wait get
   * `timeoutMs` more, over lost connections too, before they are given up. Resolves once all is over.
   */
  close({ timeoutMs = CLOSE_PATIENCE_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  /** Drops the connection, as if it had ended without a word; the client then comes back. For tests and demonstrations. */
  disconnect(): void {
    this.#connection.drop();
  }

  /**
   * Says that the application may have slept, or that the network came back. The client finds that out by itself in browsers
   * and in Node; elsewhere, call it when the application comes to the foreground.
   */
  wake(): void {
    this.#connection.wake();
  }

  /** Begins to connect, if nothing has begun. */
  #begin(): void {
    if (this.#closing !== undefined) throw this.#connection.cause ?? closedByApplication();
    if (this.#connection.cause !== undefined) throw this.#connection.cause;
    this.#stopWatching ??= watchWake(this.#settings.clock, currentPage(), () => this.#connection.wake());
    this.#connection.connect();
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#subscriptions.closed(undefined);
    const { clock } = this.#settings;
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all([this.#publisher.drain(), this.#historian.drain()]), late]);
    clock.clearTimeout(timer);
    this.#connection.close(closedByApplication());
  }

  #changed(state: ConnectionState, change: ConnectionChange): void {
    if (state === "open") this.#openings += 1;
    if (state === "closed") {
      const cause = change.cause ?? closedByApplication();
      this.#stopWatching?.();
      this.#subscriptions.closed(cause);
      this.#publisher.closed(cause);
      this.#historian.closed(cause);
    }
    this.#events.emit("state", state, change);
  }
}

function closedByApplication(): ClosedError {
  return new ClosedError(CloseCode.normal, "close() was called");
}

function checkTime(what: string, value: number | undefined): void {
  if (value !== undefined && !isCount(value)) throw new TypeError(`${what} ${String(value)}: give a whole number from 0`);
}

const CLOSE_PATIENCE_MS = 5_000;
