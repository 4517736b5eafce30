// What the client counts.

/** How long something took: milliseconds, over the last 1,024 times. `null` before the first. */
export interface Latency {
  /** How often it was measured in all. */
  readonly count: number;
  readonly last: number | null;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** Counts since the client was made, as they are now. */
export interface Stats {
  /** Records delivered to subscriptions, ephemeral ones too. */
  readonly received: number;
  /** Records that came twice, and were dropped by their `seq`. */
  readonly doubled: number;
  /** Gaps found, each repaired in its subscription. */
  readonly gaps: number;
  /** Records told as lost: their streams no longer keep them. */
  readonly lost: number;
  /** Records that the policies of subscriptions left out. */
  readonly skipped: number;
  /** Streams that began anew under a subscription. */
  readonly resets: number;
  /** Times that a subscription was paused because the application was behind. */
  readonly paused: number;
  /** Times that the connection was open again. */
  readonly reconnects: number;
  /** Publications that the server has accepted. */
  readonly published: number;
  /** Publications that wait for their answer, sent or not. */
  readonly pending: number;
  /** From sending a publication to the server's answer. */
  readonly latency: Latency;
}

/** The counters that subscriptions share. */
export class Counters {
  received = 0;
  doubled = 0;
  gaps = 0;
  lost = 0;
  skipped = 0;
  resets = 0;
  paused = 0;
}

/** Durations, of which the last are kept. */
export class LatencyMeter {
  readonly #kept: number[] = [];
  #count = 0;

  add(ms: number): void {
    this.#kept[this.#count % KEPT] = ms;
    this.#count += 1;
  }

  snapshot(): Latency {
    const sorted = [...this.#kept].sort((a, b) => a - b);
    const at = (share: number): number | null => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
    const sum = sorted.reduce((total, ms) => total + ms, 0);
    return {
      count: this.#count,
      last: this.#kept[(this.#count - 1) % KEPT] ?? null,
      mean: sorted.length > 0 ? sum / sorted.length : null,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
    };
  }
}

const KEPT = 1_024;
