// Random numbers from a seed, so that a failing run repeats.

export type Seeded = () => number;

/** A generator of numbers from 0 up to 1 (mulberry32). */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to, and without, `bound`. */
export function below(random: Seeded, bound: number): number {
  return Math.floor(random() * bound);
}
