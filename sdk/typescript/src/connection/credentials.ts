// Who the client says it is: a token, a callback that gives one, or the resume ticket of the last session.

import type { Clock } from "../clock.js";
import { TokenError } from "../errors.js";

/** A token, or a function that gives one. `null` says that there is none: the user has signed out. */
export type TokenSource = string | (() => string | null | Promise<string | null>);

/** What an attempt presents. */
export interface Presented {
  readonly token?: string;
  readonly ticket?: string;
}

export class Credentials {
  readonly #clock: Clock;
  readonly #source: TokenSource | undefined;
  #ticket: string | undefined;
  #flight: Promise<string | null> | undefined;

  constructor(clock: Clock, source: TokenSource | undefined) {
    this.#clock = clock;
    this.#source = source;
  }

  /** Whether a fresh token can be had. */
  get canRefresh(): boolean {
    return typeof this.#source === "function";
  }

  /** What can be presented without asking anybody; `undefined` if the callback must be asked. */
  atHand(): Presented | undefined {
    if (this.#ticket !== undefined) return { ticket: this.#ticket };
    if (typeof this.#source === "function") return undefined;
    return this.#source === undefined ? {} : { token: this.#source };
  }

  /** Keeps a ticket in place of the one before. */
  keep(ticket: string | undefined): void {
    this.#ticket = ticket ?? this.#ticket;
  }

  dropTicket(): void {
    this.#ticket = undefined;
  }

  /**
   * Asks the callback, or waits for the call that is under way. Resolves with `null` if there is no token, rejects with a
   * `TokenError` if it fails or takes more than 30 s.
   */
  fresh(): Promise<string | null> {
    this.#flight ??= this.#ask().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #ask(): Promise<string | null> {
    const source = this.#source;
    if (typeof source !== "function") return source ?? null;
    let timer: unknown;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.setTimeout(
        () => reject(new TokenError(`the token callback took more than ${PATIENCE_MS / 1000} s`)),
        PATIENCE_MS,
      );
    });
    try {
      const token = await Promise.race([source(), late]);
      if (token === null || (typeof token === "string" && token !== "")) return token;
      throw new TokenError(`the token callback gave ${typeof token}: give a token, or null if there is none`);
    } catch (error) {
      if (error instanceof TokenError) throw error;
      throw new TokenError(`the token callback failed: ${String(error)}`, { cause: error });
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }
}

const PATIENCE_MS = 30_000;
