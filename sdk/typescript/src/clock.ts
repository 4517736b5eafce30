// Time, as the client reads it: injected, so that tests turn it by hand.

/** What a timer is known by; opaque. */
export type Timer = unknown;

/** A source of time. */
export interface Clock {
  /** Wall-clock time: milliseconds since 1970. It goes on while the machine sleeps. */
  now(): number;
  /** Milliseconds since any fixed moment, never going back: for durations. */
  monotonic(): number;
  /** Calls `callback` once, after `delay` milliseconds or later. */
  setTimeout(callback: () => void, delay: number): Timer;
  /** Keeps a timer from calling. One that has called, or `undefined`, is fine. */
  clearTimeout(timer: Timer): void;
}

/** The platform's time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, delay) => setTimeout(callback, Math.min(delay, LONGEST_DELAY)),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout> | undefined),
};

/** A longer one would overflow, and call at once. Whoever waits longer looks at the clock and waits again. */
const LONGEST_DELAY = 2 ** 31 - 1;
