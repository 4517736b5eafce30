// A record as the application sees it.

import type { WireRecord } from "./protocol/messages.js";
import type { Message } from "./subscription/subscription.js";

export function messageOf<T>(channel: string, epoch: string, record: WireRecord, data: T, skipped: number): Message<T> {
  const { seq, time, event, publisher } = record;
  const position = seq === undefined ? undefined : { epoch, seq };
  return { channel, epoch, seq, position, time, data, event, publisher, skipped };
}
