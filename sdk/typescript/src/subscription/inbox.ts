// Events that wait for the application: a bounded queue, from which loops take.

export class Inbox<E> {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #taken: () => void;
  #items: { readonly event: E; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #waiting = new Set<() => void>();
  #end: { readonly error: Error | undefined } | undefined;

  /** `taken` is called whenever something was taken. */
  constructor(maxCount: number, maxBytes: number, taken: () => void) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
    this.#taken = taken;
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
    this.#taken();
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

  /** Takes what `pick` makes something of; the rest is dropped on the way. `left` is called once, when the loop is over. */
  iterate<R>(pick: (event: E) => R | undefined, left: () => void): AsyncIterableIterator<R> {
    let isOver = false;
    const finish = (): IteratorReturnResult<undefined> => {
      if (!isOver) {
        isOver = true;
        left();
        this.#wakeAll();
      }
      return { done: true, value: undefined };
    };
    const next = async (): Promise<IteratorResult<R, undefined>> => {
      while (!isOver) {
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
