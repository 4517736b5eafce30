// What an application may ask for, checked where it is asked.

import type { Policy, Position, WireStart } from "./protocol/messages.js";
import type { Start } from "./subscription/subscription.js";

/** Throws a `TypeError` if no channel can have this name. */
export function checkChannel(name: string): void {
  if (typeof name === "string" && CHANNEL.test(name)) return;
  throw new TypeError(
    `the channel ${JSON.stringify(name)}: a name has 1 to 200 letters, digits and _ - . : / @ ~ = +, all ASCII`,
  );
}

/** Throws a `TypeError` if this cannot be an event or a key. */
export function checkToken(what: string, text: string | undefined): void {
  if (text === undefined) return;
  const bytes = typeof text === "string" ? new TextEncoder().encode(text).length : 0;
  if (bytes >= 1 && bytes <= 128 && !CONTROL.test(text)) return;
  throw new TypeError(`${what} ${JSON.stringify(text)}: it needs 1 to 128 bytes without control characters`);
}

/** A start as it goes over the wire; `undefined` is "now". Throws a `TypeError` if it is none. */
export function wireStart(start: Start | undefined): WireStart | undefined {
  if (start === undefined || start === "now") return undefined;
  if (start === "beginning") return { beginning: true };
  if (typeof start === "object" && start !== null) {
    if (isPosition(start)) return { epoch: start.epoch, seq: start.seq };
    if ("last" in start && isCount(start.last) && start.last < 2 ** 32) return { last: start.last };
    if ("time" in start && isCount(start.time)) return { time: start.time };
  }
  throw new TypeError(`start ${JSON.stringify(start)}: give "now", "beginning", {last}, {time} or {epoch, seq}`);
}

/** Whether it is a position as the server gives them. */
export function isPosition(value: object): value is Position {
  return "epoch" in value && typeof value.epoch === "string" && EPOCH.test(value.epoch) && "seq" in value && isCount(value.seq);
}

/** The policy itself. Throws a `TypeError` if it is none. */
export function checkPolicy(policy: Policy | undefined): Policy | undefined {
  if (policy === undefined) return undefined;
  switch (policy.type) {
    case "all":
    case "drop":
    case "disconnect":
      return { type: policy.type };
    case "latest":
      if (policy.interval_ms === undefined) return { type: "latest" };
      if (isCount(policy.interval_ms)) return { type: "latest", interval_ms: policy.interval_ms };
      break;
    case "rollup":
      if (isCount(policy.interval_ms) && policy.interval_ms > 0) return { type: "rollup", interval_ms: policy.interval_ms };
  }
  throw new TypeError(
    `policy ${JSON.stringify(policy)}: give the type all, latest, rollup, drop or disconnect; interval_ms in whole milliseconds`,
  );
}

/** An integer from 0 that is exact. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const CHANNEL = /^[A-Za-z0-9_\-.:/@~=+]{1,200}$/;
const CONTROL = /\p{Cc}/u;
const EPOCH = /^[0-9a-f]{16}$/i;
