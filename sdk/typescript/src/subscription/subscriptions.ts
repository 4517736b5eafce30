// All subscriptions of a client, and their numbers on the wire.

import type { Connection } from "../connection/connection.js";
import type { Connected, Pushed, Refusal, Subscribe } from "../protocol/messages.js";
import { type AnyReader, type Line, Reader, type ReaderParts } from "./reader.js";

export class Subscriptions implements Line {
  readonly #connection: Connection;
  readonly #readers = new Set<AnyReader>();
  /** Readers by the number that they use on this connection. */
  readonly #numbers = new Map<number, AnyReader>();
  /** The numbers that went with `connect`. */
  #greeted: readonly number[] = [];
  #lastNumber = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add<T>(parts: Omit<ReaderParts<T>, "line">): Reader<T> {
    const reader = new Reader<T>({ ...parts, line: this });
    this.#readers.add(reader);
    this.subscribe(reader);
    return reader;
  }

  /** Those that go with `connect`. */
  greet(): readonly Subscribe[] {
    const requests: Subscribe[] = [];
    let bytes = 0;
    for (const reader of this.#readers) {
      if (!reader.wantsToRead) continue;
      bytes += REQUEST_BYTES + reader.channel.length;
      if (bytes > MAX_GREETING_BYTES) break;
      requests.push(reader.request(this.#nextNumber(reader)));
    }
    this.#greeted = requests.map(({ sub }) => sub);
    return requests;
  }

  /** Their outcomes. What `connect` had no room for, or its answer does not mention, is asked for now. */
  opened(connected: Connected): void {
    // Not all numbers: who was told that it is open may have subscribed since.
    const unmentioned = new Set(this.#greeted);
    for (const outcome of connected.subscriptions) {
      const reader = this.#numbers.get(outcome.sub);
      unmentioned.delete(outcome.sub);
      if ("error" in outcome) {
        this.#numbers.delete(outcome.sub);
        reader?.refused(outcome.error);
      } else if (reader !== undefined) {
        reader.answered(outcome);
      } else {
        // It was ended while the answer was on its way.
        this.release(outcome.sub);
      }
    }
    for (const number of unmentioned) {
      this.#numbers.get(number)?.connectionLost();
      this.#numbers.delete(number);
    }
    for (const reader of [...this.#readers]) {
      if (reader.isDue) this.subscribe(reader);
    }
  }

  pushed(sub: number, pushed: Pushed): void {
    const reader = this.#numbers.get(sub);
    reader?.pushed(pushed);
    if (reader?.number !== sub) this.#numbers.delete(sub);
  }

  connectionLost(): void {
    this.#numbers.clear();
    for (const reader of [...this.#readers]) reader.connectionLost();
  }

  /** The client is closed: without a cause by the application itself. */
  closed(cause: Error | undefined): void {
    for (const reader of [...this.#readers]) reader.closed(cause);
  }

  subscribe(reader: AnyReader): void {
    if (this.#connection.state !== "open") return;
    const sub = this.#nextNumber(reader);
    this.#connection.call({ type: "subscribe", id: this.#connection.nextId(), ...reader.request(sub) }, (answer) => {
      if (this.#numbers.get(sub) !== reader) return;
      if (answer.type === "subscribed") {
        reader.answered(answer.subscribed);
      } else if (answer.type === "error") {
        this.#numbers.delete(sub);
        reader.refused(answer.error);
      }
    });
  }

  release(sub: number): void {
    this.#numbers.delete(sub);
    // Its answer says nothing that is not known.
    this.#connection.call({ type: "unsubscribe", id: this.#connection.nextId(), sub }, () => {});
  }

  over(reader: AnyReader): void {
    this.#readers.delete(reader);
  }

  isTemporary(refusal: Refusal): boolean {
    return this.#connection.isTemporary(refusal);
  }

  #nextNumber(reader: AnyReader): number {
    this.#lastNumber += 1;
    this.#numbers.set(this.#lastNumber, reader);
    return this.#lastNumber;
  }
}

/** Bytes of subscriptions in one `connect`; the others follow once it is open. */
const MAX_GREETING_BYTES = 32 * 1024;
/** Of a subscription beside its channel's name. */
const REQUEST_BYTES = 100;
