// A clock that the test turns.

import type { Clock } from "../../src/clock.js";

interface FakeTimer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #monotonic = 5_000;
  #wall = 1_700_000_000_000;
  #order = 0;
  readonly #timers = new Set<FakeTimer>();

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  setTimeout(callback: () => void, delay: number): FakeTimer {
    this.#order += 1;
    const timer = { at: this.#monotonic + Math.max(0, delay), order: this.#order, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as FakeTimer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass: timers call in their order, and promises settle in between. */
  async advance(ms: number): Promise<void> {
    await settled();
    const end = this.#monotonic + ms;
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#pass(timer.at - this.#monotonic);
      timer.callback();
      await settled();
    }
    this.#pass(end - this.#monotonic);
  }

  /** The machine sleeps: the wall clock goes on, timers and the other clock do not. */
  sleep(ms: number): void {
    this.#wall += ms;
  }

  #pass(ms: number): void {
    this.#monotonic += ms;
    this.#wall += ms;
  }

  #next(end: number): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.#timers) {
      const isEarlier = first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order);
      if (timer.at <= end && isEarlier) first = timer;
    }
    return first;
  }
}

/** Resolves once all promises that can settle have done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
