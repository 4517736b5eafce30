// Full jitter: how long to wait before the next try.

import type { Random } from "./random.js";

/** Delays that grow with each use, and are uniformly random below their bound. */
export class Backoff {
  readonly #random: Random;
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether nothing has failed since the last `reset`. */
  get isFresh(): boolean {
    return this.#count === 0;
  }

  /** The next delay: 0 to min(20 s, 500 ms * 2^n), in milliseconds; n then grows by 1. */
  next(): number {
    return this.within(Math.min(LONGEST_MS, BASE_MS * 2 ** this.#count));
  }

  /** A delay of 0 to `bound` milliseconds; n grows by 1. */
  within(bound: number): number {
    this.count();
    return Math.floor(this.#random() * bound);
  }

  /** What the server told, an hour at most; else the next delay. n grows by 1. */
  delay(toldMs: number | undefined): number {
    if (toldMs === undefined) return this.next();
    this.count();
    return Math.min(toldMs, LONGEST_TOLD_MS);
  }

  /** n grows by 1: something failed whose delay is another's to say. */
  count(): void {
    this.#count += 1;
  }

  /** All is well again: n is 0. */
  reset(): void {
    this.#count = 0;
  }
}

export const BASE_MS = 500;
const LONGEST_MS = 20_000;
/** A longer wait is a mistake rather than a wish, and would outlive whoever made it. */
export const LONGEST_TOLD_MS = 3_600_000;
