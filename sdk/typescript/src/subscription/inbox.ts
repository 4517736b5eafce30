// Events that wait for the application: a bounded queue, from which loops take.

/** What is told of an inbox. */
export interface InboxEvents {
  /** Something was taken. */
  taken(): void;
  /** A loop is over. */
  left(): void;
}

export class Inbox<E> {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #events: InboxEvents;
  #items: { readonly event: E; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #waiting = new Set<() => void>();
  #loops = 0;
  #end: { readonly error: Error | undefined } | undefined;

  constructor(maxCount: number, maxBytes: number, events: InboxEvents) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
    this.#events = events;
  }

  /** Whether a loop has begun to take, and is not over. */
  get hasLoops(): boolean {
    return this.#loops > 0;
  }

  get isFull(): boolean {
    return this.#items.length >= this.#maxCount || this.#bytes >= this.#maxBytes;
  }

  get isHalfFree(): boolean {
    return this.#items.length <= this.#maxCount / 2 && this.#bytes <= this.#maxBytes / 2;
  }

  /** Puts an event behind the others, also if it is full: whoever fills it looks at `isFull`. */
  push(event: E, bytes: number): void {
    this.#items.push({ event, bytes });
    this.#bytes += bytes;
    this.#wakeAll();
  }

  shift(): E | undefined {
    const item = this.#items.shift();
    if (item === undefined) return undefined;
    this.#bytes -= item.bytes;
    this.#events.taken();
    return item.event;
  }

  /** Nothing follows what is in it; loops then end, or throw the error. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#wakeAll();
  }

  /** Drops what is in it. */
  clear(): void {
    this.#items = [];
    this.#bytes = 0;
  }

  /** Takes what `pick` makes something of; the rest is dropped on the way. The loop begins with the first `next`. */
  iterate<R>(pick: (event: E) => R | undefined): AsyncIterableIterator<R> {
    let state: "new" | "begun" | "over" = "new";
    const finish = (): IteratorReturnResult<undefined> => {
      const wasBegun = state === "begun";
      state = "over";
      if (wasBegun) {
        this.#loops -= 1;
        this.#wakeAll();
        this.#events.left();
      }
      return { done: true, value: undefined };
    };
    const next = async (): Promise<IteratorResult<R, undefined>> => {
      if (state === "new") {
        state = "begun";
        this.#loops += 1;
      }
      while (state !== "over") {
        for (let event = this.shift(); event !== undefined; event = this.shift()) {
          const picked = pick(event);
          if (picked !== undefined) return { done: false, value: picked };
        }
        if (this.#end !== undefined) {
          const { error } = this.#end;
          finish();
          if (error !== undefined) throw error;
        } else {
          await new Promise<void>((wake) => this.#waiting.add(wake));
        }
      }
      return finish();
    };
    const iterator: AsyncIterableIterator<R> = {
      next,
      return: async () => finish(),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
