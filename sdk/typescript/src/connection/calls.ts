// Commands that wait for their answer, by id.

import type { Answer } from "../protocol/messages.js";

export class Calls {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  /** An id that no command has had. */
  nextId(): number {
    this.#last += 1;
    return this.#last;
  }

  /** Has `done` called with the answer to the command `id`. */
  expect(id: number, done: (answer: Answer) => void): void {
    this.#waiting.set(id, done);
  }

  /** Gives an answer to whoever waits for it. One that nobody waits for is dropped. */
  answer(answer: Answer): void {
    const done = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    done?.(answer);
  }

  /** The answer to `id` is no longer wanted. */
  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** The connection went: no answer will come. */
  clear(): void {
    this.#waiting.clear();
  }
}
