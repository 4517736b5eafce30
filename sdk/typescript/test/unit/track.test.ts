// Where a subscription stands: the tables "Subscriptions" and "Outcomes" of specs/client.md, row by row.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptRecord, Position, Subscribed } from "../../src/protocol/messages.js";
import { Counters } from "../../src/stats.js";
import { type StreamPush, type Told, Track } from "../../src/subscription/track.js";
import { EPOCH, OTHER_EPOCH } from "../support/harness.js";

interface Tracked {
  readonly track: Track;
  readonly counters: Counters;
  /** What was told since the last look, in short. */
  told(): string[];
}

function tracked(position?: Position): Tracked {
  const counters = new Counters();
  const told: Told[] = [];
  const track = new Track(position, counters, (event) => told.push(event));
  return { track, counters, told: () => told.splice(0).map(short) };
}

function short(told: Told): string {
  switch (told.type) {
    case "message":
      return `${told.record.seq ?? "ephemeral"}${told.skipped > 0 ? ` skipped ${told.skipped}` : ""}`;
    case "lost":
      return `lost ${told.from}..${told.to} of ${name(told.epoch)}`;
    case "reset":
      return `reset ${name(told.position.epoch)}:${told.position.seq}`;
    case "ended":
      return `ended ${told.seq}`;
  }
}

const name = (epoch: string): string => (epoch === EPOCH ? "A" : "B");
const record = (seq: number): KeptRecord => ({ seq, time: seq, data: null, event: undefined, publisher: undefined });
const push = (prev: number, seq: number, skipped = 0): StreamPush => ({ type: "message", prev, skipped, record: record(seq) });
const page = (prev: number, seqs: readonly number[], more: boolean): StreamPush => ({
  type: "page",
  prev,
  records: seqs.map(record),
  more,
});
const ephemeral: StreamPush = { type: "ephemeral", record: { ...record(0), seq: undefined } };
const outcome = (kind: Subscribed["outcome"], seq: number, after = seq, epoch = EPOCH): Subscribed => {
  const begins = { sub: 1, position: { epoch, seq } };
  return kind === "live" ? { ...begins, outcome: kind } : { ...begins, outcome: kind, after };
};

/** A track that is live behind `seq`. */
function live(seq: number): Tracked {
  const made = tracked();
  assert.equal(made.track.begin(outcome("live", seq)), "live");
  return made;
}

/** A track that recovers from `after` up to `seq`. */
function recovering(after: number, seq: number): Tracked {
  const made = tracked();
  assert.equal(made.track.begin(outcome("deltas", seq, after)), "recovering");
  return made;
}

test("outcomes without a position: it is taken; only truncated tells a loss", () => {
  const rows = [
    [outcome("live", 9), "live", 9, []],
    [outcome("deltas", 9, 4), "recovering", 4, []],
    [outcome("deltas", 9, 9), "live", 9, []],
    [outcome("snapshot", 9, 8), "recovering", 8, []],
    [outcome("snapshot", 0, 0), "live", 0, []],
    [outcome("truncated", 9, 4), "recovering", 4, ["lost 0..4 of A"]],
    [outcome("truncated", 9, 0), "recovering", 0, []],
  ] as const;
  for (const [begins, standing, seq, told] of rows) {
    const made = tracked();
    assert.equal(made.track.begin(begins), standing);
    assert.deepEqual(made.track.position, { epoch: EPOCH, seq });
    assert.deepEqual(made.told(), told);
  }
});

test("outcomes with a position: goes on, lost, or reset", () => {
  const rows = [
    ["nothing missed", outcome("live", 5), "live", "A:5", []],
    ["deltas from there", outcome("deltas", 9, 5), "recovering", "A:5", []],
    ["deltas from before", outcome("deltas", 9, 2), "recovering", "A:5", []],
    ["deltas up to there", outcome("deltas", 5, 2), "live", "A:5", []],
    ["live further on", outcome("live", 9), "live", "A:9", ["lost 5..9 of A"]],
    ["truncated", outcome("truncated", 9, 7), "recovering", "A:7", ["lost 5..7 of A"]],
    ["truncated before it", outcome("truncated", 9, 3), "recovering", "A:5", []],
    ["a stream behind the client", outcome("live", 3), "live", "A:3", ["reset A:3"]],
    ["a stream behind, truncated", outcome("truncated", 3, 1), "recovering", "A:1", ["reset A:1"]],
    ["another epoch, live", outcome("live", 2, 2, OTHER_EPOCH), "live", "B:2", ["reset B:2", "lost 0..2 of B"]],
    ["another epoch, all kept", outcome("truncated", 9, 0, OTHER_EPOCH), "recovering", "B:0", ["reset B:0"]],
    ["another epoch, part kept", outcome("truncated", 9, 6, OTHER_EPOCH), "recovering", "B:6", ["reset B:6", "lost 0..6 of B"]],
  ] as const;
  for (const [what, begins, standing, position, told] of rows) {
    const made = tracked({ epoch: EPOCH, seq: 5 });
    assert.equal(made.track.begin(begins), standing, what);
    const at = made.track.position!;
    assert.equal(`${name(at.epoch)}:${at.seq}`, position, what);
    assert.deepEqual(made.told(), told, what);
  }
});

test("the policy latest passes over records between two connections: skipped, not lost", () => {
  const made = tracked({ epoch: EPOCH, seq: 5 });
  assert.equal(made.track.begin(outcome("snapshot", 9, 8)), "recovering");
  assert.equal(made.track.push(push(8, 9, 2)), "live");
  assert.deepEqual(made.told(), ["9 skipped 5"]);
  made.track.push(push(9, 10));
  assert.deepEqual(made.told(), ["10"]);
  assert.deepEqual([made.counters.skipped, made.counters.lost], [5, 0]);
});

test("a record that was seen is dropped and counted", () => {
  for (const made of [live(5), recovering(5, 9)]) {
    const before = made.track.push(push(3, 4));
    assert.notEqual(before, "gap");
    made.track.push(push(4, 5));
    assert.deepEqual(made.told(), []);
    assert.equal(made.counters.doubled, 2);
  }
});

test("the next record is delivered, also if the server thinks that less was seen", () => {
  const made = live(5);
  assert.equal(made.track.push(push(5, 6)), "live");
  assert.equal(made.track.push(push(4, 8)), "live");
  assert.deepEqual(made.told(), ["6", "8"]);
  assert.deepEqual(made.track.position, { epoch: EPOCH, seq: 8 });
  assert.equal(made.counters.received, 2);
});

test("what a policy left out is told with the record, and is no gap", () => {
  const made = live(5);
  assert.equal(made.track.push(push(5, 9, 3)), "live");
  assert.deepEqual(made.told(), ["9 skipped 3"]);
  assert.equal(made.counters.skipped, 3);
});

test("recovering is over with the record that the outcome named", () => {
  const made = recovering(5, 7);
  assert.equal(made.track.push(push(5, 6)), "recovering");
  assert.equal(made.track.push(push(6, 7)), "live");
});

test("a record behind a gap is not delivered", () => {
  for (const made of [live(5), recovering(5, 9)]) {
    assert.equal(made.track.push(push(6, 7)), "gap");
    assert.deepEqual(made.told(), []);
    assert.deepEqual(made.track.position, { epoch: EPOCH, seq: 5 });
  }
});

test("a page is its records, and says whether the recovery goes on", () => {
  const made = recovering(5, 9);
  assert.equal(made.track.push(page(5, [6, 7], true)), "recovering");
  assert.equal(made.track.push(page(7, [8, 9], false)), "live");
  assert.deepEqual(made.told(), ["6", "7", "8", "9"]);
  assert.equal(made.track.push(page(9, [], false)), "live");
  assert.equal(made.track.push(page(8, [9, 10], true)), "recovering");
  assert.deepEqual(made.told(), ["10"]);
  assert.equal(made.counters.doubled, 1);
});

test("a page behind a gap is one, with or without records", () => {
  assert.equal(recovering(5, 9).track.push(page(6, [7], true)), "gap");
  assert.equal(recovering(5, 9).track.push(page(6, [], false)), "gap");
  assert.equal(recovering(5, 9).track.push(page(5, [], false)), "live");
});

test("an ephemeral message is delivered as it comes, and moves nothing", () => {
  const made = recovering(5, 9);
  assert.equal(made.track.push(ephemeral), "recovering");
  assert.deepEqual(made.told(), ["ephemeral"]);
  assert.deepEqual(made.track.position, { epoch: EPOCH, seq: 5 });
});

test("lost: told from where the subscription stands, dropped if it is old, a gap if something lies between", () => {
  const rows = [
    [5, 8, "live", ["lost 5..8 of A"], 8],
    [3, 8, "live", ["lost 5..8 of A"], 8],
    [1, 5, "live", [], 5],
    [6, 8, "gap", [], 5],
  ] as const;
  for (const [from, to, standing, told, seq] of rows) {
    const made = live(5);
    assert.equal(made.track.push({ type: "lost", from, to }), standing);
    assert.deepEqual(made.told(), told);
    assert.equal(made.track.position?.seq, seq);
    assert.equal(made.counters.lost, seq - 5);
  }
  const made = recovering(5, 9);
  assert.equal(made.track.push({ type: "lost", from: 5, to: 7 }), "recovering");
  assert.equal(made.track.push({ type: "lost", from: 7, to: 9 }), "live");
  const paged = recovering(5, 9);
  paged.track.push(page(5, [6], true));
  assert.equal(paged.track.push({ type: "lost", from: 6, to: 9 }), "recovering", "the page said that others follow");
  assert.equal(paged.track.push(page(9, [], false)), "live");
});

test("reset: the new epoch's position holds, and what it has already is lost", () => {
  for (const made of [live(5), recovering(5, 9)]) {
    assert.equal(made.track.push({ type: "reset", position: { epoch: OTHER_EPOCH, seq: 2 } }), "live");
    assert.deepEqual(made.told(), ["reset B:2", "lost 0..2 of B"]);
    assert.equal(made.track.push(push(2, 3)), "live");
    assert.deepEqual(made.told(), ["3"]);
    assert.equal(made.counters.resets, 1);
  }
  const empty = live(5);
  empty.track.push({ type: "reset", position: { epoch: OTHER_EPOCH, seq: 0 } });
  assert.deepEqual(empty.told(), ["reset B:0"]);
});

test("reset with the same epoch: dropped, or a gap", () => {
  const made = live(5);
  assert.equal(made.track.push({ type: "reset", position: { epoch: EPOCH, seq: 5 } }), "live");
  assert.equal(made.track.push({ type: "reset", position: { epoch: EPOCH, seq: 6 } }), "gap");
  assert.deepEqual(made.told(), []);
});

test("ended: told once all has come, else a gap", () => {
  assert.equal(live(5).track.push({ type: "ended", seq: 6 }), "gap");
  for (const seq of [4, 5]) {
    const made = live(5);
    assert.equal(made.track.push({ type: "ended", seq }), "ended");
    assert.deepEqual(made.told(), [`ended ${seq}`]);
  }
});
