// One subscription: its states (`specs/client.md`, "Subscriptions"), and its events on their way to the application.

import { Backoff } from "../backoff.js";
import { isPosition } from "../checks.js";
import type { Clock, Timer } from "../clock.js";
import { ContentError, RefusedError } from "../errors.js";
import { Emitter } from "../events.js";
import { messageOf } from "../message.js";
import type { Policy, Position, Pushed, Refusal, Subscribe, Subscribed, WireRecord, WireStart } from "../protocol/messages.js";
import type { Random } from "../random.js";
import type { Counters } from "../stats.js";
import { Inbox } from "./inbox.js";
import { contentSize } from "./size.js";
import type {
  Message,
  Subscription,
  SubscriptionChange,
  SubscriptionEvent,
  SubscriptionEvents,
  SubscriptionState,
} from "./subscription.js";
import { type Standing, type Told, Track } from "./track.js";

/** What a reader is made of. */
export interface ReaderParts<T> {
  readonly channel: string;
  readonly start: WireStart | undefined;
  readonly policy: Policy | undefined;
  readonly parse: (data: unknown) => T;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly line: Line;
}

/** A reader's way to the server. */
export interface Line {
  /** Sends `subscribe` with a fresh number, if the connection is open. Else it goes with the next `connect`. */
  subscribe(reader: AnyReader): void;
  /** The number is not in use any more: sends `unsubscribe`. */
  release(sub: number): void;
  /** The reader is over, for good. */
  over(reader: AnyReader): void;
  /** Whether what was refused may succeed later. */
  isTemporary(refusal: Refusal): boolean;
}

/** A reader, whatever its content. */
export type AnyReader = Pick<
  Reader<unknown>,
  "answered" | "closed" | "connectionLost" | "isDue" | "number" | "pushed" | "refused" | "request" | "wantsToRead" | "channel"
>;

export class Reader<T> implements Subscription<T> {
  readonly #parts: ReaderParts<T>;
  readonly #track: Track;
  readonly #inbox: Inbox<SubscriptionEvent<T>>;
  readonly #events = new Emitter<SubscriptionEvents<T>>();
  /** Between refusals. */
  readonly #backoff: Backoff;
  /** Between repairs behind which no record came. */
  readonly #repairs: Backoff;
  #hasRepaired = false;
  /** When the server subscribed it, by the monotonic clock; `Infinity` behind a refusal. */
  #answeredAt = Infinity;
  #state: SubscriptionState = "subscribing";
  #timer: Timer;
  /** Its number on the wire; `undefined` while nothing is subscribed or asked for. */
  #number: number | undefined;

  constructor(parts: ReaderParts<T>) {
    const { start } = parts;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.random);
    this.#repairs = new Backoff(parts.random);
    const position = start !== undefined && isPosition(start) ? start : undefined;
    this.#track = new Track(position, parts.counters, (told) => this.#tell(told));
    this.#inbox = new Inbox(MAX_EVENTS, MAX_BYTES, { taken: () => this.#resume(), left: () => this.#giveHeld() });
  }

  get channel(): string {
    return this.#parts.channel;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get position(): Position | undefined {
    return this.#track.position;
  }

  get number(): number | undefined {
    return this.#number;
  }

  /** Whether the server should know of it. */
  get wantsToRead(): boolean {
    return this.#state === "subscribing";
  }

  /** Whether it can subscribe now: nothing is asked for, and no time is being waited for. */
  get isDue(): boolean {
    return this.wantsToRead && this.#number === undefined && this.#timer === undefined;
  }

  on<K extends keyof SubscriptionEvents<T>>(event: K, listener: (...args: SubscriptionEvents<T>[K]) => void): () => void {
    const remove = this.#events.on(event, listener);
    // Not at once: who adds a listener does not expect it to be called meanwhile.
    if (event === "message") queueMicrotask(() => this.#giveHeld());
    return remove;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    return this.#inbox.iterate((event) => (event.type === "message" ? event.message : undefined));
  }

  events(): AsyncIterableIterator<SubscriptionEvent<T>> {
    return this.#inbox.iterate((event) => event);
  }

  unsubscribe(): void {
    if (this.#isOver) return;
    this.#release();
    // Without a word: it is by the application's own will.
    this.#state = "ended";
    this.#inbox.clear();
    this.#over(undefined);
  }

  /** The request to subscribe, by this number. */
  request(sub: number): Subscribe {
    this.#clearTimer();
    this.#number = sub;
    const start = this.#track.position ?? this.#parts.start;
    const { policy } = this.#parts;
    return { sub, channel: this.channel, ...(start && { start }), ...(policy && { policy }) };
  }

  /** The server's answer. */
  answered(subscribed: Subscribed): void {
    this.#answeredAt = this.#parts.clock.monotonic();
    this.#handle(() => this.#track.begin(subscribed));
  }

  /** The server did not subscribe, or ended the subscription. */
  refused(refusal: Refusal): void {
    this.#number = undefined;
    if (this.#parts.clock.monotonic() - this.#answeredAt >= SETTLED_MS) this.#backoff.reset();
    this.#answeredAt = Infinity;
    const cause = new RefusedError(refusal);
    if (!this.#parts.line.isTemporary(refusal)) return this.#fail(cause);
    this.#enter("subscribing", cause);
    this.#subscribeIn(this.#backoff.delay(refusal.retryAfterMs));
  }

  pushed(pushed: Pushed): void {
    if (this.#state !== "recovering" && this.#state !== "live") return;
    if (pushed.type === "refused") this.refused(pushed.error);
    else this.#handle(() => this.#track.push(pushed));
  }

  connectionLost(): void {
    this.#number = undefined;
    this.#clearTimer();
    if (this.#state === "recovering" || this.#state === "live") this.#enter("subscribing");
  }

  /** The client is closed: without a cause by the application itself. */
  closed(cause: Error | undefined): void {
    if (cause === undefined) return this.unsubscribe();
    this.#number = undefined;
    if (!this.#isOver) this.#fail(cause);
  }

  get #isOver(): boolean {
    return this.#state === "ended" || this.#state === "failed";
  }

  /** Has the track deal with something that came, and follows it. */
  #handle(step: () => Standing): void {
    const number = this.#number;
    const standing = step();
    // A listener may have ended it meanwhile, or dropped the connection.
    if (this.#number !== number) return;
    if (standing === "gap") this.#repair();
    else if (standing === "ended") this.#end();
    else this.#enter(standing);
    if (this.#inbox.isFull && !this.#isOver) this.#pause();
  }

  #repair(): void {
    this.#parts.counters.gaps += 1;
    this.#release();
    this.#enter("subscribing");
    if (this.#hasRepaired) return this.#subscribeIn(this.#repairs.next());
    this.#hasRepaired = true;
    if (this.isDue) this.#parts.line.subscribe(this);
  }

  #pause(): void {
    this.#parts.counters.paused += 1;
    this.#release();
    this.#clearTimer();
    this.#enter("paused");
  }

  /** The application has taken something. */
  #resume(): void {
    if (this.#state !== "paused" || !this.#inbox.isHalfFree) return;
    this.#enter("subscribing");
    if (this.isDue) this.#parts.line.subscribe(this);
  }

  #end(): void {
    this.#number = undefined;
    this.#enter("ended");
    this.#over(undefined);
  }

  #fail(cause: Error): void {
    this.#release();
    this.#enter("failed", cause);
    this.#events.emit("error", cause);
    this.#over(cause);
  }

  #over(cause: Error | undefined): void {
    this.#clearTimer();
    this.#inbox.end(cause);
    this.#parts.line.over(this);
  }

  #release(): void {
    const number = this.#number;
    this.#number = undefined;
    if (number !== undefined) this.#parts.line.release(number);
  }

  #subscribeIn(delay: number): void {
    this.#clearTimer();
    if (!this.wantsToRead) return;
    this.#timer = this.#parts.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#parts.line.subscribe(this);
    }, delay);
  }

  #clearTimer(): void {
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #enter(state: SubscriptionState, cause?: Error): void {
    const from = this.#state;
    if (from === state) return;
    this.#state = state;
    const change: SubscriptionChange = cause === undefined ? { from } : { from, cause };
    this.#hold({ type: "state", state, change }, EVENT_BYTES);
    this.#events.emit("state", state, change);
  }

  #tell(told: Told): void {
    // Who began to listen in the middle of a frame has its turn later, and this would overtake what waits for it.
    this.#giveHeld();
    // A listener may have ended it in the middle of a page.
    if (this.#isOver) return;
    switch (told.type) {
      case "message":
        this.#hasRepaired = false;
        this.#repairs.reset();
        return this.#deliver(told.epoch, told.record, told.skipped);
      case "lost": {
        const lost = { epoch: told.epoch, from: told.from, to: told.to };
        this.#hold({ type: "lost", lost }, EVENT_BYTES);
        return this.#events.emit("lost", lost);
      }
      case "reset":
        this.#hold({ type: "reset", position: told.position }, EVENT_BYTES);
        return this.#events.emit("reset", told.position);
      case "ended":
        this.#hold({ type: "ended", seq: told.seq }, EVENT_BYTES);
        return this.#events.emit("ended", { seq: told.seq });
    }
  }

  #deliver(epoch: string, record: WireRecord, skipped: number): void {
    let data: T;
    try {
      data = this.#parts.parse(record.data);
    } catch (cause) {
      const words = `${this.channel}, record ${record.seq ?? "(ephemeral)"}: its content was refused: ${String(cause)}`;
      const error = new ContentError(words, { cause });
      this.#hold({ type: "error", error }, EVENT_BYTES);
      return this.#events.emit("error", error);
    }
    const message = messageOf(this.channel, epoch, record, data, skipped);
    if (this.#holds) this.#inbox.push({ type: "message", message }, EVENT_BYTES + contentSize(record.data));
    this.#events.emit("message", message);
  }

  #hold(event: SubscriptionEvent<T>, bytes: number): void {
    if (this.#holds) this.#inbox.push(event, bytes);
  }

  /** Whether events wait for a loop, or for the first who takes messages. */
  get #holds(): boolean {
    return this.#inbox.hasLoops || !this.#events.has("message");
  }

  /** Gives the messages that were held to the listeners that are there now. */
  #giveHeld(): void {
    while (!this.#holds) {
      const event = this.#inbox.shift();
      if (event === undefined) return;
      if (event.type === "message") this.#events.emit("message", event.message);
    }
  }
}

/** A subscription that the server had for so long makes up for its refusals. */
const SETTLED_MS = 5_000;
/** Events that wait before a subscription is paused, and their bytes. */
const MAX_EVENTS = 1_024;
const MAX_BYTES = 4 * 1024 * 1024;
/** What an event takes beside its content, roughly. */
const EVENT_BYTES = 200;
