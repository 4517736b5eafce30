// Reads what channels keep: each question is asked until it is answered.

import { Backoff } from "../backoff.js";
import type { Clock, Timer } from "../clock.js";
import type { Codec, Frame } from "../codec/codec.js";
import type { Connection } from "../connection/connection.js";
import { NotAnsweredError, ProtocolError, QueueFullError, RefusedError } from "../errors.js";
import { messageOf } from "../message.js";
import type { Answer, Position, Refusal } from "../protocol/messages.js";
import type { Random } from "../random.js";
import type { Message } from "../subscription/subscription.js";

/** What of a channel's history to read. */
export interface HistoryOptions {
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
export interface HistoryPage {
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

/** What a historian is made of. */
export interface HistorianParts {
  readonly connection: Connection;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: Random;
}

export class Historian {
  readonly #parts: HistorianParts;
  readonly #questions = new Set<Question>();
  #drained: (() => void) | undefined;

  constructor(parts: HistorianParts) {
    this.#parts = parts;
  }

  /** Asks. The channel and the options were checked. */
  read(channel: string, options: HistoryOptions): Promise<HistoryPage> {
    if (this.#questions.size >= MAX_QUESTIONS) {
      return Promise.reject(new QueueFullError(`${MAX_QUESTIONS} questions for history`));
    }
    const { connection, codec, clock, random } = this.#parts;
    const { timeoutMs, ...what } = options;
    const id = connection.nextId();
    const frame = codec.encode({ type: "history", id, channel, ...what });
    return new Promise((resolve, reject) => {
      const question: Question = { id, frame, channel, resolve, reject, backoff: new Backoff(random), isAsked: false, limit: undefined, timer: undefined };
      this.#questions.add(question);
      if (timeoutMs !== undefined) {
        const late = new NotAnsweredError(`no answer within ${timeoutMs} ms: ask again`);
        question.limit = clock.setTimeout(() => this.#over(question).reject(late), timeoutMs);
      }
      this.#ask(question);
    });
  }

  /** Asks whatever is not answered, waits for nothing, and was not asked when the state was told. */
  opened(): void {
    for (const question of this.#questions) {
      if (!question.isAsked && question.timer === undefined) this.#ask(question);
    }
  }

  /** Nothing that was asked will be answered. */
  connectionLost(): void {
    for (const question of this.#questions) question.isAsked = false;
  }

  /** All that waits is over. */
  closed(cause: Error): void {
    for (const question of [...this.#questions]) {
      this.#over(question).reject(new NotAnsweredError("the client was closed before the answer came: make a new client, and ask again", { cause }));
    }
  }

  /** Resolves once nothing waits. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#questions.size === 0) resolve();
      else this.#drained = resolve;
    });
  }

  #ask(question: Question): void {
    const { connection } = this.#parts;
    question.timer = undefined;
    question.isAsked = connection.connected !== undefined;
    connection.call(question, (answer) => this.#answered(question, answer));
  }

  #answered(question: Question, answer: Answer): void {
    if (answer.type === "error") return this.#refused(question, answer.error);
    const { resolve, reject } = this.#over(question);
    if (answer.type !== "history") return reject(new ProtocolError(`\`history\` was answered by \`${answer.type}\``));
    const { epoch, first, last, more } = answer;
    const messages = answer.messages.map((record) => messageOf(question.channel, epoch, record, record.data as unknown, 0));
    resolve({ epoch, first, last, messages, more });
  }

  #refused(question: Question, refusal: Refusal): void {
    const { connection, clock } = this.#parts;
    if (!connection.isTemporary(refusal)) return this.#over(question).reject(new RefusedError(refusal));
    question.timer = clock.setTimeout(() => this.#ask(question), question.backoff.delay(refusal.retryAfterMs));
  }

  #over(question: Question): Question {
    const { connection, clock } = this.#parts;
    clock.clearTimeout(question.limit);
    clock.clearTimeout(question.timer);
    connection.forget(question.id);
    this.#questions.delete(question);
    if (this.#questions.size === 0) this.#drained?.();
    return question;
  }
}

interface Question {
  readonly id: number;
  readonly frame: Frame;
  readonly channel: string;
  readonly resolve: (page: HistoryPage) => void;
  readonly reject: (error: Error) => void;
  readonly backoff: Backoff;
  /** Of this connection's server. */
  isAsked: boolean;
  /** Of the application's patience. */
  limit: Timer;
  /** Until it is asked again. */
  timer: Timer;
}

/** Questions that wait for their answer. */
const MAX_QUESTIONS = 100;
