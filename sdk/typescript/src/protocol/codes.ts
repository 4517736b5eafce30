// Codes of the wire: why a command failed, why a connection ended, and what follows from it.

/** Why a command failed. A server may know more than these. */
export type ErrorCode =
  | "bad_request"
  | "unauthenticated"
  | "token_expired"
  | "forbidden"
  | "not_found"
  | "subscription_exists"
  | "producer_fenced"
  | "producer_gap"
  | "epoch_mismatch"
  | "stream_ended"
  | "too_large"
  | "too_many_subscriptions"
  | "rate_limited"
  | "internal"
  | "unavailable"
  | "storage_failed"
  | "storage_full"
  | (string & Record<never, never>);

/** Close codes with a meaning of their own for the client. */
export const CloseCode = {
  normal: 1000,
  abnormal: 1006,
  tokenExpired: 4004,
  disconnected: 4006,
  badMessage: 4500,
} as const;

/** What a client does once its connection has ended. */
export type Verdict = "reconnect" | "refresh-token" | "stop";

/** The verdict that a close code carries. Codes that are not ours mean: come back. */
export function verdictOf(code: number): Verdict {
  if (code === CloseCode.tokenExpired) return "refresh-token";
  return code >= 4500 && code <= 4999 ? "stop" : "reconnect";
}
