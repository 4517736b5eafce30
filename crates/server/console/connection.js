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

/** Counts how often a connection came back, by its states alone. */
export class Reconnects {
  #was = false;
  count = 0;

  constructor(connection, back = () => {}) {
    const look = () => {
      if (connection.state !== "open") return;
      if (this.#was) {
        this.count += 1;
        back();
      }
      this.#was = true;
    };
    connection.on("state", look);
    look();
  }
}

/** Kills the server. Rejects with the reason where it refuses; a broken answer is a server that died. */
export async function killServer() {
  let answer;
  try {
    answer = await fetch("/dev/kill", { method: "POST" });
  } catch {
    return;
  }
  if (!answer.ok) {
    throw new Error(`the server answered ${answer.status}: it can be killed from here in development mode only`);
  }
}
