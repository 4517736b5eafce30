// The page's connection to the server, and what the server says of itself.

import { Client } from "/longwire.js";

const ADDRESS = "/v1/connect";

/** The connection that all parts of the page share. */
export const client = new Client(ADDRESS);

/** A further connection, with the SDK's options. */
export const connect = (options) => new Client(ADDRESS, options);

/** What stands behind a state of the connection. */
export const WORDS = {
  idle: "Not connected",
  connecting: "Connecting",
  open: "Connected",
  waiting: "Reconnecting",
  closed: "Closed",
};

/** How a subscription's state reads, and its tone. */
export const SUBSCRIPTION_WORDS = {
  subscribing: ["reconnecting", "warn"],
  recovering: ["catching up", "warn"],
  live: ["live", "good"],
  paused: ["paused", "warn"],
  ended: ["ended", "idle"],
  failed: ["refused", "bad"],
};

/** What `/dev/info` says, or `null` while the server is away. */
export async function serverInfo() {
  try {
    const answer = await fetch("/dev/info", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Counts how often a connection came back, by its states alone, until `stop` is called. */
export class Reconnects {
  #was = false;
  count = 0;
  stop;

  constructor(connection, back = () => {}) {
    const look = () => {
      if (connection.state !== "open") return;
      if (this.#was) {
        this.count += 1;
        back();
      }
      this.#was = true;
    };
    this.stop = connection.on("state", look);
    look();
  }
}

/** Has the server drop the shared connection without a word, as a broken network does. Rejects with the reason. */
export async function cutConnection() {
  if (client.session === undefined) throw new Error("there is no connection just now");
  await demand(await fetch(`/dev/cut?session=${client.session}`, { method: "POST" }));
}

/** Kills the server. Rejects with the reason where it refuses; a broken answer is a server that died. */
export async function killServer() {
  if (client.state !== "open") throw new Error("there is no server just now");
  const answer = await fetch("/dev/kill", { method: "POST" }).catch(() => null);
  if (answer) await demand(answer);
}

/** Has the server type an answer, from one of its pieces on. Rejects with the reason. */
export async function typeAnswer(channel, order) {
  const headers = { "Content-Type": "application/json" };
  await demand(await fetch(`/dev/answer?channel=${channel}`, { method: "POST", headers, body: JSON.stringify(order) }));
}

/** Rejects with what the server says where it refuses. */
async function demand(answer) {
  if (answer.ok) return;
  const refusal = await answer.json().catch(() => null);
  throw new Error(refusal?.error?.message ?? `the server answered ${answer.status}`);
}
