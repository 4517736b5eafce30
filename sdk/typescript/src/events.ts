// Typed events: `on` returns the function that removes the listener.

/** What each event's listeners are called with. */
export type EventMap<E> = { [K in keyof E]: readonly unknown[] };

/** The listeners of one object. */
export class Emitter<E extends EventMap<E>> {
  readonly #listeners = new Map<keyof E, Set<(...args: never) => void>>();

  /** Calls `listener` at each `event`, until the returned function is called. */
  on<K extends keyof E>(event: K, listener: (...args: E[K]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    // A function of its own, so that one listener that is added twice is removed once.
    const entry = (...args: E[K]): void => listener(...args);
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  /** Whether anybody listens to `event`. */
  has(event: keyof E): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /** Calls the listeners in the order in which they were added. One that throws keeps no other from its call. */
  emit<K extends keyof E>(event: K, ...args: E[K]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as (...args: E[K]) => void)(...args);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
}

/** Reports an error of the application's as uncaught, without disturbing the caller. */
function reportUncaught(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else queueMicrotask(() => { throw error; });
}
