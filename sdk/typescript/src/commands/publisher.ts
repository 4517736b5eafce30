// Publications: sent in order, sent again until they are answered (`specs/client.md`, "Publications").

import { Backoff } from "../backoff.js";
import type { Clock, Timer } from "../clock.js";
import { type Codec, type Frame, frameBytes } from "../codec/codec.js";
import type { Connection } from "../connection/connection.js";
import { NotSentError, ProtocolError, QueueFullError, RefusedError, UnknownOutcomeError } from "../errors.js";
import { type Content, type Answer, type Position, type Refusal } from "../protocol/messages.js";
import { type Random, uniqueName } from "../random.js";
import { LatencyMeter } from "../stats.js";

/** What to publish, checked. */
export interface Publication {
  readonly channel: string;
  readonly data: Content;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly ephemeral: boolean;
  /** Milliseconds until the application no longer waits. */
  readonly timeoutMs: number | undefined;
}

/** Where a publication lies. */
export interface Published extends Position {
  /** Whether it was there before: an earlier sending had arrived. */
  readonly duplicate: boolean;
}

/** What a publisher is made of. */
export interface PublisherParts {
  readonly connection: Connection;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: Random;
}

export class Publisher {
  readonly latency = new LatencyMeter();
  published = 0;
  readonly #parts: PublisherParts;
  readonly #producer: string;
  #counter = 0;
  /** Invariant: in the order of their calls, which is that of their ids. */
  #queued: Operation[] = [];
  readonly #inFlight = new Map<number, Operation>();
  #bytes = 0;
  /** Until the first of those that were refused for a time may be sent again. */
  #timer: Timer;
  #drained: (() => void) | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#producer = uniqueName(parts.random);
  }

  /** Publications that are not answered. */
  get pending(): number {
    return this.#queued.length + this.#inFlight.size;
  }

  /** Resolves with its position, and with `undefined` if it is ephemeral. */
  publish(publication: Publication): Promise<Published | undefined> {
    const { connection, codec, random } = this.#parts;
    const { channel, data, event, ephemeral } = publication;
    const id = connection.nextId();
    const key = ephemeral ? undefined : (publication.key ?? this.#nextKey());
    const frame = codec.encode({
      type: "publish",
      id,
      channel,
      data,
      ...(event !== undefined && { event }),
      ...(key !== undefined && { key }),
      ...(ephemeral && { ephemeral }),
    });
    const bytes = frameBytes(frame);
    if (this.pending > 0 && (this.pending >= MAX_COUNT || this.#bytes + bytes > MAX_BYTES)) {
      return Promise.reject(new QueueFullError(`${this.pending} publications of ${this.#bytes} bytes`));
    }
    return new Promise((resolve, reject) => {
      const backoff = new Backoff(random);
      const operation: Operation = { id, frame, channel, bytes, key, resolve, reject, backoff, sentAt: 0, notBefore: 0, isUncertain: false, isOver: false, timer: undefined };
      this.#bytes += bytes;
      this.#queued.push(operation);
      this.#limit(operation, publication.timeoutMs);
      this.send();
    });
  }

  /** Sends what may be sent now. */
  send(): void {
    const { connection, clock } = this.#parts;
    const limits = connection.connected?.limits;
    if (limits === undefined) return;
    const now = clock.monotonic();
    const held = new Map<string, number>();
    const kept: Operation[] = [];
    const tooLarge: Operation[] = [];
    for (const operation of this.#queued) {
      if (operation.bytes > limits.maxMessageBytes) {
        tooLarge.push(operation);
      } else if (held.has(operation.channel) || this.#inFlight.size >= MAX_IN_FLIGHT) {
        kept.push(operation);
      } else if (operation.notBefore > now) {
        held.set(operation.channel, operation.notBefore);
        kept.push(operation);
      } else {
        operation.sentAt = now;
        this.#inFlight.set(operation.id, operation);
        connection.call(operation, (answer) => this.#answered(operation, answer));
      }
    }
    this.#queued = kept;
    clock.clearTimeout(this.#timer);
    const next = Math.min(...held.values());
    this.#timer = next < Infinity ? clock.setTimeout(() => this.send(), next - now) : undefined;
    for (const operation of tooLarge) {
      // A server that took more may have it.
      if (operation.isUncertain) this.#giveUp(operation, LOST);
      else this.#over(operation)?.reject(tooLargeError(operation, limits.maxMessageBytes));
    }
  }

  /** Nothing that is in flight will be answered. What can be sent again, waits for that. */
  connectionLost(): void {
    const { clock } = this.#parts;
    clock.clearTimeout(this.#timer);
    const inFlight = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#queued = [...inFlight, ...this.#queued].sort((a, b) => a.id - b.id);
    for (const operation of inFlight) {
      operation.isUncertain = true;
      if (operation.key === undefined) this.#giveUp(operation, LOST);
    }
  }

  /** All that waits is over. */
  closed(cause: Error): void {
    for (const operation of [...this.#inFlight.values(), ...this.#queued]) this.#giveUp(operation, "the client is closed", cause);
    this.#parts.clock.clearTimeout(this.#timer);
  }

  /** Resolves once nothing waits. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      if (this.pending === 0) resolve();
      else this.#drained = resolve;
    });
  }

  #answered(operation: Operation, answer: Answer): void {
    if (answer.type === "error") return this.#refused(operation, answer.error);
    const over = this.#over(operation);
    if (answer.type !== "published") {
      return over?.reject(new ProtocolError(`\`publish\` was answered by \`${answer.type}\`: the outcome is unknown`));
    }
    this.published += 1;
    this.latency.add(this.#parts.clock.monotonic() - operation.sentAt);
    over?.resolve(answer.position && { ...answer.position, duplicate: answer.duplicate });
    this.send();
  }

  #refused(operation: Operation, refusal: Refusal): void {
    const { connection, clock } = this.#parts;
    if (connection.isTemporary(refusal)) {
      operation.notBefore = clock.monotonic() + operation.backoff.delay(refusal.retryAfterMs);
      this.#inFlight.delete(operation.id);
      const place = this.#queued.findIndex((other) => other.id > operation.id);
      this.#queued.splice(place < 0 ? this.#queued.length : place, 0, operation);
    } else {
      this.#over(operation)?.reject(new RefusedError(refusal, operation.key));
    }
    this.send();
  }

  #limit(operation: Operation, timeoutMs: number | undefined): void {
    if (timeoutMs === undefined) return;
    operation.timer = this.#parts.clock.setTimeout(() => {
      this.#giveUp(operation, `no answer within ${timeoutMs} ms`);
      this.send();
    }, timeoutMs);
  }

  /** It is over without an answer: certain only if it was never sent, or refused each time. */
  #giveUp(operation: Operation, why: string, cause?: Error): void {
    const options = cause === undefined ? undefined : { cause };
    const isUncertain = operation.isUncertain || this.#inFlight.has(operation.id);
    const error = isUncertain
      ? new UnknownOutcomeError(why, operation.key, options)
      : new NotSentError(`${why}: it was not sent; publish it again`, options);
    this.#over(operation)?.reject(error);
  }

  /** It no longer waits. `undefined` if it was over before. */
  #over(operation: Operation): Operation | undefined {
    const { connection, clock } = this.#parts;
    if (operation.isOver) return undefined;
    operation.isOver = true;
    clock.clearTimeout(operation.timer);
    connection.forget(operation.id);
    this.#inFlight.delete(operation.id);
    this.#queued = this.#queued.filter((other) => other !== operation);
    this.#bytes -= operation.bytes;
    if (this.pending === 0) this.#drained?.();
    return operation;
  }

  #nextKey(): string {
    this.#counter += 1;
    return `${this.#producer}:${this.#counter}`;
  }
}

/** A publication under way. */
interface Operation {
  readonly id: number;
  readonly frame: Frame;
  readonly bytes: number;
  readonly channel: string;
  readonly key: string | undefined;
  readonly resolve: (published: Published | undefined) => void;
  readonly reject: (error: Error) => void;
  readonly backoff: Backoff;
  /** When it was sent last, by the monotonic clock. */
  sentAt: number;
  /** Not sent again before this, by the monotonic clock. */
  notBefore: number;
  /** A connection was lost before its answer. */
  isUncertain: boolean;
  isOver: boolean;
  /** Of the application's patience. */
  timer: Timer;
}

function tooLargeError({ bytes, key }: Operation, limit: number): RefusedError {
  const message = `it has ${bytes} bytes once it is encoded, and the server takes ${limit}: send less, or raise its limit`;
  return new RefusedError({ code: "too_large", message, temporary: false, retryAfterMs: undefined }, key);
}

const LOST = "the connection was lost before the answer";
/** What waits for an answer at most, and its bytes, as encoded. */
const MAX_COUNT = 1_000;
const MAX_BYTES = 1024 * 1024;
/** Sent and not answered. */
const MAX_IN_FLIGHT = 256;
