// Where a subscription stands in its stream, and what each thing that comes means there: no I/O, no time.

import type { KeptRecord, Position, Pushed, Subscribed, WireRecord } from "../protocol/messages.js";
import type { Counters } from "../stats.js";

/** What the application is told. */
export type Told =
  | { readonly type: "message"; readonly epoch: string; readonly record: WireRecord; readonly skipped: number }
  | { readonly type: "lost"; readonly epoch: string; readonly from: number; readonly to: number }
  | { readonly type: "reset"; readonly position: Position }
  | { readonly type: "ended"; readonly seq: number };

/** What a subscription is behind something that came. `gap`: it has to subscribe anew, behind its position. */
export type Standing = "recovering" | "live" | "ended" | "gap";

/** A push that is about the stream. */
export type StreamPush = Exclude<Pushed, { type: "refused" }>;

export class Track {
  readonly #counters: Counters;
  readonly #tell: (told: Told) => void;
  #position: Position | undefined;
  /** The outcome said that records follow up to this `seq`. */
  #target = 0;
  #standing: "recovering" | "live" = "recovering";
  /** Records that the policy passed over since the last one; the next one tells them. */
  #passed = 0;
  /** The last page said that others follow. */
  #hasMore = false;

  constructor(position: Position | undefined, counters: Counters, tell: (told: Told) => void) {
    this.#position = position;
    this.#counters = counters;
    this.#tell = tell;
  }

  /** That of the last record, or the place to begin behind. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** The server's answer to `subscribe`. */
  begin(subscribed: Subscribed): Standing {
    const { epoch, seq } = subscribed.position;
    const base = subscribed.outcome === "live" ? seq : subscribed.after;
    const before = this.#position;
    this.#target = seq;
    this.#hasMore = false;
    if (before === undefined) {
      this.#position = { epoch, seq: base };
      if (subscribed.outcome === "truncated") this.#lose(epoch, 0, base);
    } else if (before.epoch !== epoch) {
      this.#reset({ epoch, seq: base });
      this.#lose(epoch, 0, base);
    } else if (seq < before.seq) {
      // The stream is behind the client, so it is another one.
      this.#reset({ epoch, seq: base });
    } else if (base > before.seq) {
      this.#position = { epoch, seq: base };
      // With the policy `latest` the newest record alone follows, and nothing is missed.
      if (subscribed.outcome === "snapshot") this.#passed += base - before.seq;
      else this.#lose(epoch, before.seq, base);
    }
    this.#standing = this.#last >= seq ? "live" : "recovering";
    return this.#standing;
  }

  /** A push. There must have been an outcome. */
  push(pushed: StreamPush): Standing {
    switch (pushed.type) {
      case "message":
        return this.#take(pushed.prev, pushed.record, pushed.skipped) ? this.#caughtUp() : "gap";
      case "ephemeral":
        this.#deliver(pushed.record, 0);
        return this.#standing;
      case "page":
        return this.#page(pushed.prev, pushed.records, pushed.more);
      case "lost":
        if (pushed.to <= this.#last) return this.#standing;
        if (pushed.from > this.#last) return "gap";
        return this.#skip(pushed.to);
      case "reset":
        return this.#newEpoch(pushed.position);
      case "ended":
        if (pushed.seq > this.#last) return "gap";
        this.#tell({ type: "ended", seq: pushed.seq });
        return "ended";
    }
  }

  #page(prev: number, records: readonly KeptRecord[], more: boolean): Standing {
    let before = prev;
    if (records.length === 0 && before > this.#last) return "gap";
    for (const record of records) {
      if (!this.#take(before, record, 0)) return "gap";
      before = record.seq;
    }
    this.#hasMore = more;
    this.#standing = more ? "recovering" : "live";
    return this.#standing;
  }

  /** A record whose predecessor is `prev`. False: there is a gap before it. */
  #take(prev: number, record: KeptRecord, skipped: number): boolean {
    if (record.seq <= this.#last) {
      this.#counters.doubled += 1;
      return true;
    }
    if (prev > this.#last) return false;
    this.#position = { epoch: this.#epoch, seq: record.seq };
    this.#deliver(record, skipped + this.#passed);
    this.#passed = 0;
    return true;
  }

  #skip(to: number): Standing {
    const from = this.#last;
    this.#position = { epoch: this.#epoch, seq: to };
    this.#lose(this.#epoch, from, to);
    return this.#hasMore ? this.#standing : this.#caughtUp();
  }

  #newEpoch(position: Position): Standing {
    if (position.epoch === this.#epoch) return position.seq > this.#last ? "gap" : this.#standing;
    this.#reset(position);
    this.#lose(position.epoch, 0, position.seq);
    this.#target = position.seq;
    this.#standing = "live";
    return this.#standing;
  }

  #caughtUp(): Standing {
    if (this.#last >= this.#target) this.#standing = "live";
    return this.#standing;
  }

  #deliver(record: WireRecord, skipped: number): void {
    this.#counters.received += 1;
    this.#counters.skipped += skipped;
    this.#tell({ type: "message", epoch: this.#epoch, record, skipped });
  }

  #lose(epoch: string, from: number, to: number): void {
    if (to <= from) return;
    this.#counters.lost += to - from;
    this.#tell({ type: "lost", epoch, from, to });
  }

  #reset(position: Position): void {
    this.#position = position;
    this.#passed = 0;
    this.#counters.resets += 1;
    this.#tell({ type: "reset", position });
  }

  get #last(): number {
    return this.#position?.seq ?? 0;
  }

  get #epoch(): string {
    return this.#position?.epoch ?? "";
  }
}
