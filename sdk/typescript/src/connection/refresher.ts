// Replaces the token of an open connection before it expires.

import { BASE_MS, Backoff } from "../backoff.js";
import type { Clock, Timer } from "../clock.js";
import { TokenError } from "../errors.js";
import type { Answer } from "../protocol/messages.js";
import type { Random } from "../random.js";
import type { Credentials } from "./credentials.js";

/** What a refresher needs of its connection. */
export interface Refreshing {
  /** Sends `refresh`; `done` gets the answer. */
  refresh(token: string, done: (answer: Answer) => void): void;
  /** The callback says that there is no token any more. */
  signedOut(): void;
  /** The callback failed; it is asked again. */
  failed(error: TokenError): void;
}

export class Refresher {
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  readonly #connection: Refreshing;
  readonly #backoff: Backoff;
  #dueAtWall = Infinity;
  #timer: Timer;
  #isBusy = false;
  #isStopped = false;

  constructor(clock: Clock, random: Random, credentials: Credentials, connection: Refreshing) {
    this.#clock = clock;
    this.#credentials = credentials;
    this.#connection = connection;
    this.#backoff = new Backoff(random);
  }

  /** The token expires in so many milliseconds: it is replaced at 80 % of them, and never in a tight circle. */
  expires(inMs: number | undefined): void {
    this.#clock.clearTimeout(this.#timer);
    this.#dueAtWall = Infinity;
    if (inMs !== undefined && this.#credentials.canRefresh) this.#schedule(Math.max(inMs * SHARE, BASE_MS));
  }

  /** Replaces it now. */
  now(): void {
    if (this.#isBusy || this.#isStopped || !this.#credentials.canRefresh) return;
    this.#isBusy = true;
    this.#clock.clearTimeout(this.#timer);
    this.#credentials.fresh().then(
      (token) => {
        if (token === null) this.#connection.signedOut();
        else if (!this.#isStopped) this.#send(token);
      },
      (error: TokenError) => this.#isStopped || this.#failed(error),
    );
  }

  /** Replaces it now if a sleep has made that late. */
  wake(): void {
    if (this.#clock.now() >= this.#dueAtWall) this.now();
  }

  stop(): void {
    this.#isStopped = true;
    this.#clock.clearTimeout(this.#timer);
  }

  #send(token: string): void {
    this.#connection.refresh(token, (answer) => {
      this.#isBusy = false;
      if (answer.type === "refreshed") {
        this.#backoff.reset();
        this.#credentials.keep(answer.ticket);
        this.expires(answer.expiresInMs);
      } else if (answer.type === "error" && answer.error.temporary) {
        this.#schedule(this.#backoff.delay(answer.error.retryAfterMs));
      } else {
        // Left alone: the server ends the connection with 4004 when the time has come.
        this.expires(undefined);
      }
    });
  }

  #failed(error: TokenError): void {
    this.#isBusy = false;
    this.#connection.failed(error);
    this.#schedule(this.#backoff.next());
  }

  #schedule(delay: number): void {
    this.#clock.clearTimeout(this.#timer);
    this.#dueAtWall = this.#clock.now() + delay;
    const dueAt = this.#clock.monotonic() + delay;
    const look = (): void => {
      const left = dueAt - this.#clock.monotonic();
      // A timer has a longest delay.
      if (left > 0) this.#timer = this.#clock.setTimeout(look, left);
      else this.now();
    };
    this.#timer = this.#clock.setTimeout(look, delay);
  }
}

const SHARE = 0.8;
