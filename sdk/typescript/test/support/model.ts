// A server as simple as can be, with a bad day: it loses and repeats pushes, breaks connections, forgets and resets streams.

import type { FakeSocket, Wire } from "./network.js";
import { connected } from "./harness.js";
import { below, type Seeded } from "./random.js";

export interface ModelRecord {
  readonly seq: number;
  readonly data: unknown;
  readonly key: string | undefined;
}

export class ModelStream {
  epoch: string;
  records: ModelRecord[] = [];
  last = 0;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  /** One more than `last` if nothing is kept. */
  get first(): number {
    return this.records[0]?.seq ?? this.last + 1;
  }

  behind(seq: number, count: number): ModelRecord[] {
    return this.records.filter((record) => record.seq > seq).slice(0, count);
  }
}

/** A subscription as the server sees it. */
interface Place {
  readonly sub: unknown;
  readonly channel: string;
  last: number;
  isLive: boolean;
}

export class ModelServer {
  readonly streams = new Map<string, ModelStream>();
  /** By key: what was stored, and where. */
  readonly stored = new Map<string, { readonly epoch: string; readonly seq: number }>();
  /** From 0 to 1: how often something goes wrong. */
  trouble: number;
  readonly #random: Seeded;
  #epochs = 0;
  #socket: FakeSocket | undefined;
  #inbox: Wire[] = [];
  #places: Place[] = [];

  constructor(random: Seeded, trouble: number) {
    this.#random = random;
    this.trouble = trouble;
  }

  /** Takes a connection in place of the one before. */
  accept(socket: FakeSocket): void {
    this.#socket = socket;
    this.#inbox = [];
    this.#places = [];
    socket.onsent = (message) => {
      if (this.#socket === socket) this.#inbox.push(message);
    };
  }

  stream(channel: string): ModelStream {
    let stream = this.streams.get(channel);
    if (stream === undefined) this.streams.set(channel, (stream = new ModelStream(this.#epoch())));
    return stream;
  }

  /** Breaks the connection. What came from the client until then may have been dealt with, or not. */
  break(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.closed !== undefined) return;
    if (this.#random() < 0.5) for (const message of this.#inbox) this.#handle(message, () => {});
    this.#socket = undefined;
    if (this.#random() < 0.5) socket.receive({ type: "disconnect", code: 4000, reason: "", reconnect: true, retry_after_ms: 5 });
    else socket.end();
  }

  /** The stream begins anew. */
  reset(channel: string): void {
    const stream = new ModelStream(this.#epoch());
    this.streams.set(channel, stream);
    for (const place of this.#places.filter((each) => each.channel === channel)) {
      place.last = 0;
      place.isLive = true;
      this.#say({ type: "reset", sub: place.sub, epoch: stream.epoch, seq: 0 });
    }
  }

  /** The stream forgets all but its last records. */
  forget(channel: string, keep: number): void {
    const stream = this.stream(channel);
    stream.records = stream.records.slice(Math.max(0, stream.records.length - keep));
  }

  publish(channel: string, data: unknown, key?: string): { readonly epoch: string; readonly seq: number; readonly duplicate: boolean } {
    const before = key === undefined ? undefined : this.stored.get(key);
    if (before !== undefined) return { ...before, duplicate: true };
    const stream = this.stream(channel);
    stream.last += 1;
    const record = { seq: stream.last, data, key };
    stream.records.push(record);
    if (key !== undefined) this.stored.set(key, { epoch: stream.epoch, seq: record.seq });
    for (const place of this.#places) {
      if (place.channel !== channel || !place.isLive) continue;
      const push = { type: "message", sub: place.sub, prev: place.last, ...wire(record) };
      place.last = record.seq;
      if (!this.#goesWrong()) this.#say(push);
      if (this.#goesWrong()) this.#say(push);
    }
    return { epoch: stream.epoch, seq: record.seq, duplicate: false };
  }

  /** Deals with what came, and goes on with one recovery. */
  step(): void {
    const socket = this.#socket;
    const messages = this.#inbox.splice(0);
    const answers: Wire[] = [];
    for (const message of messages) {
      if (this.#socket === socket) this.#handle(message, (answer) => answers.push(answer));
    }
    // What the answers stand for comes behind them.
    if (answers.length > 0 && this.#socket === socket) socket?.receive(...answers);
    const behind = this.#places.filter(({ isLive }) => !isLive);
    const place = behind[below(this.#random, behind.length)];
    if (place !== undefined && this.#socket === socket) this.#recover(place);
  }

  #recover(place: Place): void {
    const stream = this.stream(place.channel);
    if (place.last + 1 < stream.first) {
      this.#say({ type: "lost", sub: place.sub, from: place.last, to: stream.first - 1 });
      place.last = stream.first - 1;
    }
    const records = stream.behind(place.last, 1 + below(this.#random, 5));
    const last = records.at(-1)?.seq ?? place.last;
    const page = { type: "page", sub: place.sub, prev: place.last, messages: records.map(wire), more: last < stream.last };
    place.last = last;
    place.isLive = last === stream.last;
    if (!this.#goesWrong()) this.#say(page);
    if (this.#goesWrong()) this.#say(page);
  }

  #handle(message: Wire, answer: (answer: Wire) => void): void {
    const id = message["id"];
    switch (message["type"]) {
      case "connect": {
        const asked = (message["subscriptions"] ?? []) as Wire[];
        const socket = this.#socket;
        if (socket !== undefined) answer(connected(socket, { subscriptions: asked.map((each) => this.#subscribe(each)) }));
        break;
      }
      case "subscribe":
        if (this.#goesWrong()) answer({ type: "error", id, code: "unavailable", message: "busy", temporary: true, retry_after_ms: 3 });
        else answer({ type: "subscribed", id, ...this.#subscribe(message) });
        break;
      case "unsubscribe":
        this.#places = this.#places.filter(({ sub }) => sub !== message["sub"]);
        answer({ type: "unsubscribed", id, sub: message["sub"] });
        break;
      case "publish":
        answer({ type: "published", id, ...this.publish(String(message["channel"]), message["data"], String(message["key"])) });
        break;
    }
  }

  #subscribe(asked: Wire): Wire {
    const channel = String(asked["channel"]);
    const stream = this.stream(channel);
    const start = asked["start"] as { epoch?: string; seq?: number; beginning?: true } | undefined;
    const [outcome, after] = this.#begin(stream, start);
    this.#places.push({ sub: asked["sub"], channel, last: after, isLive: outcome === "live" });
    return { sub: asked["sub"], epoch: stream.epoch, seq: stream.last, outcome, ...(outcome !== "live" && { after }) };
  }

  #begin(stream: ModelStream, start: { epoch?: string; seq?: number } | undefined): [string, number] {
    if (start === undefined) return ["live", stream.last];
    const seq = start.seq ?? 0;
    const isKnown = start.epoch === undefined || (start.epoch === stream.epoch && seq <= stream.last);
    if (!isKnown || seq + 1 < stream.first) return ["truncated", stream.first - 1];
    return seq === stream.last ? ["live", seq] : ["deltas", seq];
  }

  #say(message: Wire): void {
    this.#socket?.receive(message);
  }

  #goesWrong(): boolean {
    return this.#random() < this.trouble;
  }

  #epoch(): string {
    this.#epochs += 1;
    return this.#epochs.toString(16).padStart(16, "0");
  }
}

function wire({ seq, data }: ModelRecord): Wire {
  return { seq, time: seq, data };
}
