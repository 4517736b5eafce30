// The types that an application sees: those of the built declarations. The compiler is the test.

import { test } from "node:test";
import {
  Client,
  type ErrorCode,
  type HistoryPage,
  type Message,
  type Published,
  RefusedError,
  type Start,
  type Subscription,
  type SubscriptionEvent,
} from "../../dist/longwire.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_ extends true>(): void => {};

interface Chat {
  readonly text: string;
}
declare function parseChat(data: unknown): Chat;

/** Never called: it only has to compile. */
export async function usage(client: Client): Promise<void> {
  const plain = client.subscribe("a");
  holds<Equal<typeof plain, Subscription<unknown>>>();
  const chat = client.subscribe("chat:1", { start: { last: 5 }, policy: { type: "latest" }, parse: parseChat });
  holds<Equal<typeof chat, Subscription<Chat>>>();
  for await (const message of chat) {
    holds<Equal<typeof message, Message<Chat>>>();
    holds<Equal<typeof message.data.text, string>>();
    holds<Equal<typeof message.seq, number | undefined>>();
    // A position is a start.
    const start: Start | undefined = message.position;
    void start;
  }
  for await (const event of chat.events()) {
    holds<Equal<typeof event, SubscriptionEvent<Chat>>>();
    if (event.type === "lost") holds<Equal<typeof event.lost.from, number>>();
  }
  const remove = chat.on("message", ({ data }) => holds<Equal<typeof data, Chat>>());
  holds<Equal<typeof remove, () => void>>();
  chat.on("error", (error) => {
    if (error instanceof RefusedError) holds<Equal<typeof error.code, ErrorCode>>();
  });
  client.on("state", (state, { delayMs }) => {
    holds<Equal<typeof state, "idle" | "connecting" | "open" | "waiting" | "closed">>();
    holds<Equal<typeof delayMs, number | undefined>>();
  });

  const published = await client.publish("a", { any: ["thing"] }, { key: "k", timeoutMs: 5 });
  holds<Equal<typeof published, Published>>();
  const ephemeral = await client.publish("a", new Uint8Array(1), { ephemeral: true });
  holds<Equal<typeof ephemeral, void>>();
  const page = await client.history("a", { from: published, order: "backwards" });
  holds<Equal<typeof page, HistoryPage>>();

  new Client("wss://example.com", { token: async () => null, WebSocket });
  new Client(new URL("wss://example.com"), { token: "fixed", codec: "cbor" });

  // @ts-expect-error an event that is not known
  client.on("message", () => {});
  // @ts-expect-error an ephemeral one is kept nowhere
  void client.publish("a", 1, { ephemeral: true, key: "k" });
  // @ts-expect-error an option that is left out is left out, not undefined
  client.subscribe("a", { start: undefined });
  // @ts-expect-error rollup needs its interval
  client.subscribe("a", { policy: { type: "rollup" } });
  // @ts-expect-error what is told is not the application's to change
  client.stats.received = 5;
  // @ts-expect-error content is unknown until it is parsed
  plain.on("message", ({ data }) => data.text);
}

test("the types hold, since this file was compiled", () => {});
