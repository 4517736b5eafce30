// The connection: attempts, the open session, its end, and what follows from it (`specs/client.md`, "The connection").

import { Backoff, LONGEST_TOLD_MS } from "../backoff.js";
import type { Clock, Timer } from "../clock.js";
import type { Codec, Frame } from "../codec/codec.js";
import { ClosedError, LostError, type TokenError } from "../errors.js";
import { CloseCode, verdictOf } from "../protocol/codes.js";
import {
  type Answer,
  Capability,
  type ClientMessage,
  type Connected,
  type Disconnect,
  type Pushed,
  type Refusal,
  type ServerMessage,
  type Subscribe,
} from "../protocol/messages.js";
import { parseServerMessage } from "../protocol/parse.js";
import type { Random } from "../random.js";
import { SOFTWARE } from "../version.js";
import { Calls } from "./calls.js";
import { Credentials, type Presented, type TokenSource } from "./credentials.js";
import { Liveness } from "./liveness.js";
import { Refresher } from "./refresher.js";
import { Transport, type WebSocketClass } from "./transport.js";

/**
 * `idle`: nothing was asked for yet. `connecting`: an attempt is under way. `open`: the server has accepted it. `waiting`:
 * the next attempt has its time. `closed`: for good.
 */
export type ConnectionState = "idle" | "connecting" | "open" | "waiting" | "closed";

/** How a connection came to its state. */
export interface ConnectionChange {
  /** The state before. */
  readonly from: ConnectionState;
  /** Why, where the state is `waiting` or `closed`, or an attempt begins at once behind a lost connection. */
  readonly cause?: Error;
  /** Milliseconds until the next attempt, where the state is `waiting`. */
  readonly delayMs?: number;
}

/** What a connection is made of. */
export interface ConnectionParts {
  readonly url: string;
  readonly WebSocket: WebSocketClass;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: Random;
  readonly token: TokenSource | undefined;
}

/** What a connection serves: subscriptions and publications. */
export interface ConnectionUser {
  /** The subscriptions that go with `connect`. */
  greet(): readonly Subscribe[];
  /** `connected` has come. */
  opened(connected: Connected): void;
  pushed(sub: number, pushed: Pushed): void;
  /** What was sent since `connect` may be lost, and will have no answer. */
  lost(): void;
  changed(state: ConnectionState, change: ConnectionChange): void;
  /** Something went wrong that the connection bears. */
  failed(error: Error): void;
}

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #user: ConnectionUser;
  readonly #calls = new Calls();
  readonly #credentials: Credentials;
  readonly #backoff: Backoff;
  #state: ConnectionState = "idle";
  #cause: Error | undefined;
  /** Counts attempts, so that a token that comes too late is known. */
  #attempt = 0;
  #presented: Presented = {};
  #transport: Transport | undefined;
  /** The id of `connect`, once it is sent. */
  #greeting: number | undefined;
  #open: OpenSession | undefined;
  /** Of the attempt's patience, or of the waiting. */
  #timer: Timer;

  constructor(parts: ConnectionParts, user: ConnectionUser) {
    this.#parts = parts;
    this.#user = user;
    this.#credentials = new Credentials(parts.clock, parts.token);
    this.#backoff = new Backoff(parts.random);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why it is `closed`. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  /** What `connected` said, while it is open. */
  get connected(): Connected | undefined {
    return this.#open?.connected;
  }

  /** Begins, if nothing has begun yet. */
  connect(): void {
    if (this.#state === "idle") this.#begin();
  }

  /** Drops the transport, as if it had ended without a word. */
  drop(): void {
    if (this.#transport !== undefined) this.#lose(new LostError("disconnect() was called", CloseCode.abnormal));
  }

  /** Looks at the wall clock, since timers may have slept; ends the waiting. */
  wake(): void {
    if (this.#state === "waiting") return this.#begin();
    this.#open?.liveness.wake();
    this.#open?.refresher.wake();
  }

  /** Whether what was refused may succeed later. A token that has expired is replaced, if another can be had. */
  isTemporary(refusal: Refusal): boolean {
    const isExpired = refusal.code === "token_expired" && this.#credentials.canRefresh;
    if (isExpired) this.#open?.refresher.now();
    return refusal.temporary || isExpired;
  }

  /** For good. */
  close(cause: Error): void {
    if (this.#state === "closed") return;
    this.#cause = cause;
    this.#enter("closed", { cause }, CloseCode.normal);
  }

  nextId(): number {
    return this.#calls.nextId();
  }

  /** Sends a command, if it is open. `done` is not called if the connection goes first. */
  call(command: { readonly id: number; readonly frame: Frame } | ClientMessage, done: (answer: Answer) => void): void {
    if (this.#state !== "open") return;
    if ("id" in command) this.#calls.expect(command.id, done);
    this.#transport?.send("frame" in command ? command.frame : this.#parts.codec.encode(command));
  }

  /** The answer to `id` is no longer wanted. */
  forget(id: number): void {
    this.#calls.forget(id);
  }

  #begin(cause?: Error): void {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#enter("connecting", cause === undefined ? {} : { cause });
    if (this.#attempt !== attempt) return;
    const presented = this.#credentials.atHand();
    if (presented !== undefined) return this.#dial(presented);
    this.#credentials.fresh().then(
      (token) => {
        if (this.#attempt !== attempt) return;
        if (token === null) this.#signedOut();
        else this.#dial({ token });
      },
      (error: TokenError) => {
        if (this.#attempt !== attempt) return;
        this.#lose(error);
        this.#user.failed(error);
      },
    );
  }

  #dial(presented: Presented): void {
    const { WebSocket, url, codec, clock } = this.#parts;
    this.#presented = presented;
    let transport: Transport;
    try {
      transport = new Transport(WebSocket, url, codec, {
        opened: () => this.#greet(),
        received: (value) => this.#receive(value),
        unreadable: (error) => this.#lose(error),
        ended: (code, reason) => this.#ended({ code, reason, retryAfterMs: undefined }),
      });
    } catch (error) {
      const words = `a connection to ${url} cannot even be tried: ${String(error)}`;
      return this.close(new ClosedError(CloseCode.normal, words, { cause: error }));
    }
    this.#transport = transport;
    this.#timer = clock.setTimeout(
      () => this.#lose(new LostError(`no answer from ${url} within ${PATIENCE_MS / 1000} s: ${CHECK}`, CloseCode.abnormal)),
      PATIENCE_MS,
    );
  }

  #greet(): void {
    const subscriptions = this.#user.greet();
    this.#greeting = this.#calls.nextId();
    const connect: ClientMessage = {
      type: "connect",
      id: this.#greeting,
      capabilities: Capability.pages | Capability.pings | Capability.tickets,
      ...this.#presented,
      client: SOFTWARE,
      ...(subscriptions.length > 0 && { subscriptions }),
    };
    this.#transport?.send(this.#parts.codec.encode(connect));
  }

  #receive(value: unknown): void {
    this.#open?.liveness.heard();
    const message = parseServerMessage(value);
    if (message === undefined) return;
    if (message.type === "disconnect") this.#ended(message);
    else if (this.#state === "open") this.#handle(message);
    else if (message.type === "answer" && message.answer.type === "connected") this.#opened(message.answer);
  }

  #handle(message: Exclude<ServerMessage, Disconnect>): void {
    switch (message.type) {
      case "ping":
        return this.#transport?.send(this.#parts.codec.encode({ type: "pong" }));
      case "push":
        return this.#user.pushed(message.sub, message.pushed);
      case "answer":
        if (message.answer.type !== "connected") this.#calls.answer(message.answer);
    }
  }

  #opened(connected: Connected): void {
    if (connected.id !== this.#greeting) return;
    const { clock, random } = this.#parts;
    const limit = connected.pingIntervalMs > 0 ? connected.pingIntervalMs + connected.pongTimeoutMs : 0;
    const open: OpenSession = {
      connected,
      since: clock.monotonic(),
      liveness: new Liveness(clock, limit, (silentMs) =>
        this.#lose(new LostError(`nothing came for ${Math.round(silentMs / 1000)} s: the network may be gone`, CloseCode.abnormal)),
      ),
      refresher: new Refresher(clock, random, this.#credentials, {
        refresh: (token, done) => this.#refresh(token, done),
        signedOut: () => this.#signedOut(),
        failed: (error) => this.#user.failed(error),
      }),
    };
    this.#clearTimer();
    this.#open = open;
    this.#credentials.keep(connected.ticket);
    open.refresher.expires(connected.expiresInMs);
    const from = this.#state;
    this.#state = "open";
    this.#user.changed("open", { from });
    if (this.#open === open) this.#user.opened(connected);
  }

  #refresh(token: string, done: (answer: Answer) => void): void {
    this.call({ type: "refresh", id: this.#calls.nextId(), token }, (answer) => {
      // From now on the session stands on this token, whatever it began with.
      if (answer.type === "refreshed") this.#presented = { token };
      done(answer);
    });
  }

  /** The transport has ended, or will: the code says what follows. */
  #ended({ code, reason, retryAfterMs }: Omit<Disconnect, "type">): void {
    const verdict = verdictOf(code);
    const refusesTicket = this.#refusesTicket(code);
    if (refusesTicket || verdict === "refresh-token") this.#credentials.dropTicket();
    const closed = new ClosedError(code, reason);
    this.#settle();
    if (refusesTicket) {
      this.#backoff.count();
      return this.#begin(closed);
    }
    if (verdict === "stop") return this.close(closed);
    if (verdict === "refresh-token" && !this.#credentials.canRefresh) return this.close(closed);
    const words = code === CloseCode.abnormal ? "the connection could not be made, or broke" : `closed with ${code}`;
    const lost = new LostError(reason === "" ? words : `${words}: ${reason}`, code);
    if (verdict === "refresh-token" && this.#backoff.isFresh) {
      this.#backoff.count();
      this.#begin(lost);
    } else {
      this.#lose(lost, retryAfterMs);
    }
  }

  /** Whether a token, or nothing, may do where the ticket did not. */
  #refusesTicket(code: number): boolean {
    if (this.#presented.ticket === undefined) return false;
    return code === CloseCode.tokenExpired || (this.#open === undefined && REFUSES_A_TICKET.includes(code));
  }

  /** The next attempt comes later. */
  #lose(cause: Error, retryAfterMs?: number): void {
    this.#settle();
    const window = this.#open?.connected.reconnectWindowMs;
    const isFirst = retryAfterMs === undefined && window !== undefined && this.#backoff.isFresh;
    const delayMs = isFirst ? this.#backoff.within(Math.min(window, LONGEST_TOLD_MS)) : this.#backoff.delay(retryAfterMs);
    this.#enter("waiting", { cause, delayMs });
    if (this.#state === "waiting") {
      this.#timer = this.#parts.clock.setTimeout(() => this.#begin(), delayMs);
    }
  }

  /** A connection that was open for long enough makes up for the failures before it. */
  #settle(): void {
    const { clock } = this.#parts;
    if (this.#open !== undefined && clock.monotonic() - this.#open.since >= SETTLED_MS) this.#backoff.reset();
  }

  #signedOut(): void {
    this.close(new ClosedError(CloseCode.normal, "the token callback says that there is no token"));
  }

  /** Into a state without a session: whatever was open is left behind. */
  #enter(state: ConnectionState, change: Omit<ConnectionChange, "from">, code?: number): void {
    const from = this.#state;
    const wasGreeted = this.#greeting !== undefined;
    this.#attempt += state === "connecting" ? 0 : 1;
    this.#clearTimer();
    this.#transport?.close(code);
    this.#transport = undefined;
    this.#greeting = undefined;
    this.#open?.liveness.stop();
    this.#open?.refresher.stop();
    this.#open = undefined;
    this.#calls.clear();
    this.#state = state;
    // Where it is closed, all is over anyhow.
    if (wasGreeted && state !== "closed") this.#user.lost();
    if (this.#state === state) this.#user.changed(state, { from, ...change });
  }

  #clearTimer(): void {
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** What exists while it is open. */
interface OpenSession {
  readonly connected: Connected;
  /** By the monotonic clock. */
  readonly since: number;
  readonly liveness: Liveness;
  readonly refresher: Refresher;
}

/** From the call for a transport to `connected`. */
const PATIENCE_MS = 20_000;
const CHECK = "check that it leads to a Longwire server";
/** A connection that was open for so long has made up for the failures before it. */
const SETTLED_MS = 5_000;
/** Unauthenticated and forbidden: before `connected` they may mean the ticket alone. */
const REFUSES_A_TICKET: readonly number[] = [4501, 4502];
