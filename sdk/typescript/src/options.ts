// What a client is made with, and what it is without.

import { type Clock, systemClock } from "./clock.js";
import { cborCodec } from "./codec/cbor.js";
import type { Codec } from "./codec/codec.js";
import { jsonCodec } from "./codec/json.js";
import type { TokenSource } from "./connection/credentials.js";
import type { WebSocketClass } from "./connection/transport.js";
import { type Random, systemRandom } from "./random.js";

/** How a client connects. */
export interface ClientOptions {
  /**
   * A JSON Web Token or an API key, or a function that gives one. The function is called before an attempt to connect that
   * needs a token, and again at 80 % of the token's lifetime; one call at a time. When it throws, it is called again later;
   * when it gives `null`, there is no token any more, and the client is closed. @default none
   */
  readonly token?: TokenSource;
  /** How messages are written: text, or binary, which is shorter where content is bytes. @default "json" */
  readonly codec?: "json" | "cbor";
  /** The WebSocket class. Node has one of its own since version 22; before that, pass that of `ws` or `undici`. @default the global one */
  readonly WebSocket?: WebSocketClass;
  /** Where the time comes from: for tests. @default the platform's */
  readonly clock?: Clock;
  /** Where random numbers come from: for tests. @default the platform's generator for keys */
  readonly random?: Random;
}

/** The same, with everything there. */
export interface Settings {
  readonly url: string;
  readonly token: TokenSource | undefined;
  readonly codec: Codec;
  readonly WebSocket: WebSocketClass;
  readonly clock: Clock;
  readonly random: Random;
}

/** Fills in what is left out. Throws a `TypeError` for what cannot work. */
export function settingsOf(url: string | URL, options: ClientOptions): Settings {
  const { codec = "json", WebSocket = globalThis.WebSocket as WebSocketClass | undefined } = options;
  if (WebSocket === undefined) {
    throw new TypeError("there is no global WebSocket: pass one as the option `WebSocket`, in Node 20 that of `ws` or `undici`");
  }
  if (codec !== "json" && codec !== "cbor") throw new TypeError(`codec ${JSON.stringify(codec)}: give "json" or "cbor"`);
  return {
    url: webSocketUrl(url),
    token: options.token,
    codec: codec === "json" ? jsonCodec : cborCodec,
    WebSocket,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

/** An absolute ws: or wss: URL. One that is relative, or http:, is taken as the page's own. */
function webSocketUrl(url: string | URL): string {
  const page = globalThis.location as { readonly href: string } | undefined;
  let absolute: URL;
  try {
    absolute = new URL(url, page?.href);
  } catch (cause) {
    throw new TypeError(`the URL ${JSON.stringify(String(url))}: give one like "wss://example.com/v1/connect"`, { cause });
  }
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  absolute.hash = "";
  if (!/^wss?:$/.test(absolute.protocol)) throw new TypeError(`the URL ${absolute.href}: it must begin with ws: or wss:`);
  return absolute.href;
}
