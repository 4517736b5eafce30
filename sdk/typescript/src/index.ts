// The public surface of the package.

export { Client } from "./client.js";
export type { ClientEvents, EphemeralOptions, PublishOptions } from "./client.js";
export type { Clock, Timer } from "./clock.js";
export type { HistoryOptions, HistoryPage } from "./commands/historian.js";
export type { Published } from "./commands/publisher.js";
export type { ConnectionChange, ConnectionState } from "./connection/connection.js";
export type { TokenSource } from "./connection/credentials.js";
export type { WebSocketClass, WebSocketLike } from "./connection/transport.js";
export {
  ClosedError,
  ContentError,
  LostError,
  NotAnsweredError,
  NotSentError,
  ProtocolError,
  QueueFullError,
  RefusedError,
  TokenError,
  UnknownOutcomeError,
} from "./errors.js";
export type { ClientOptions } from "./options.js";
export type { ErrorCode } from "./protocol/codes.js";
export type { Policy, Position } from "./protocol/messages.js";
export type { Random } from "./random.js";
export type { Latency, Stats } from "./stats.js";
export type {
  Lost,
  Message,
  Start,
  SubscribeOptions,
  Subscription,
  SubscriptionChange,
  SubscriptionEvent,
  SubscriptionEvents,
  SubscriptionState,
  TypedSubscribeOptions,
} from "./subscription/subscription.js";
