// How a sleep, a frozen page or a network that came back is noticed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.js";
import { currentPage, watchWake } from "../../src/connection/wake.js";
import { FakeClock } from "../support/clock.js";

class FakeDocument extends EventTarget {
  visibilityState = "visible";
}

function watched(): { clock: FakeClock; window: EventTarget; document: FakeDocument; stop: () => void; wakes(): number } {
  const clock = new FakeClock();
  const window = new EventTarget();
  const document = new FakeDocument();
  let count = 0;
  const stop = watchWake(clock, { window, document }, () => (count += 1));
  return { clock, window, document, stop, wakes: () => count };
}

test("the network comes back, the page comes back, the page was frozen", () => {
  const { window, document, wakes } = watched();
  window.dispatchEvent(new Event("online"));
  window.dispatchEvent(new Event("pageshow"));
  document.dispatchEvent(new Event("resume"));
  assert.equal(wakes(), 3);
});

test("a page that becomes visible wakes, one that is hidden does not", () => {
  const { document, wakes } = watched();
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(wakes(), 0);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(wakes(), 1);
});

test("a machine that slept wakes within 5 s, once; time that passes does not", async () => {
  const { clock, wakes } = watched();
  await clock.advance(600_000);
  assert.equal(wakes(), 0);
  clock.sleep(60_000);
  await clock.advance(5_000);
  assert.equal(wakes(), 1);
  await clock.advance(60_000);
  assert.equal(wakes(), 1);
});

test("timers that the browser slows down are no sleep", () => {
  const times = { wall: 1_700_000_000_000, monotonic: 0 };
  const timers: (() => void)[] = [];
  const clock: Clock = {
    now: () => times.wall,
    monotonic: () => times.monotonic,
    setTimeout: (callback) => timers.push(callback),
    clearTimeout: () => {},
  };
  let wakes = 0;
  watchWake(clock, {}, () => (wakes += 1));
  for (let minute = 0; minute < 3; minute += 1) {
    times.wall += 60_000;
    times.monotonic += 60_000;
    timers.shift()?.();
  }
  assert.equal(wakes, 0);
});

test("a wall clock that is set back wakes nobody", async () => {
  const { clock, wakes } = watched();
  clock.sleep(-3_600_000);
  await clock.advance(60_000);
  assert.equal(wakes(), 0);
});

test("once stopped, nothing is listened to", async () => {
  const { clock, window, document, stop, wakes } = watched();
  stop();
  window.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("resume"));
  clock.sleep(60_000);
  await clock.advance(60_000);
  assert.equal(wakes(), 0);
  assert.equal(clock.pending, 0);
});

test("outside of a page there is none to listen to", () => {
  assert.deepEqual(currentPage(), { window: undefined, document: undefined });
});
