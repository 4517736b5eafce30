// Random numbers, injected, so that tests repeat.

/** A random number from 0 up to, and without, 1. */
export type Random = () => number;

/** The platform's generator for keys. */
export const systemRandom: Random = () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;

/** A name that nobody else has: 128 random bits as 32 hexadecimal digits. */
export function uniqueName(random: Random): string {
  const word = (): string => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
  return word() + word() + word() + word();
}
