// Finds out that a connection is dead although nobody said so.

import type { Clock, Timer } from "../clock.js";

/** Tells when no message has come for too long. */
export class Liveness {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #dead: (silentMs: number) => void;
  #heardAt = 0;
  #heardAtWall = 0;
  #timer: Timer;

  /** Begins. `limit` is in milliseconds; with 0 there is none. */
  constructor(clock: Clock, limit: number, dead: (silentMs: number) => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#dead = dead;
    this.heard();
    if (limit > 0) this.#arm(limit);
  }

  /** A message has come. */
  heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#heardAtWall = this.#clock.now();
  }

  /** Looks at the wall clock, which goes on where timers and the other clock sleep. */
  wake(): void {
    const silent = this.#clock.now() - this.#heardAtWall;
    if (this.#limit > 0 && silent > this.#limit) this.#dead(silent);
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #arm(delay: number): void {
    // Set anew when it is due, not with each message.
    this.#timer = this.#clock.setTimeout(() => {
      const silent = this.#clock.monotonic() - this.#heardAt;
      if (silent >= this.#limit) this.#dead(silent);
      else this.#arm(this.#limit - silent);
    }, delay);
  }
}
