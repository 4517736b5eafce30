// A client over fakes, and the words of a server.

import { Client } from "../../src/client.js";
import type { ConnectionChange, ConnectionState } from "../../src/connection/connection.js";
import type { ClientOptions } from "../../src/options.js";
import { FakeClock, settled } from "./clock.js";
import { FakeNetwork, type FakeSocket, type Wire } from "./network.js";
import { seeded } from "./random.js";

export const EPOCH = "00000000000000aa";
export const OTHER_EPOCH = "00000000000000bb";
export const LIMITS = { max_message_bytes: 65_536, max_subscriptions: 100, publish_rate: 1_000 };

export interface Harness {
  readonly client: Client;
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  /** Every state of the connection so far, with what was told of it. */
  readonly states: { readonly state: ConnectionState; readonly change: ConnectionChange }[];
  readonly errors: Error[];
  /** The last socket. */
  readonly socket: FakeSocket;
  /** Has the last socket open, and its `connect` answered. */
  open(fields?: Wire): Promise<FakeSocket>;
}

export function harness(options: ClientOptions = {}): Harness {
  const clock = new FakeClock();
  const network = new FakeNetwork();
  const client = new Client("ws://server.test/v1/connect", {
    clock,
    random: seeded(7),
    WebSocket: network.WebSocket,
    ...options,
  });
  const states: Harness["states"] = [];
  const errors: Error[] = [];
  client.on("state", (state, change) => states.push({ state, change }));
  client.on("error", (error) => errors.push(error));
  return {
    client,
    clock,
    network,
    states,
    errors,
    get socket() {
      return network.last;
    },
    async open(fields = {}) {
      await settled();
      const socket = network.last;
      if (socket.all("connect").length === 0) socket.open();
      socket.receive(connected(socket, fields));
      await settled();
      return socket;
    },
  };
}

/** A client whose connection is open. */
export async function opened(options: ClientOptions = {}, fields: Wire = {}): Promise<Harness> {
  const made = harness(options);
  made.client.connect();
  await made.open(fields);
  return made;
}

/** The answer to the socket's `connect`: its subscriptions are live at 0 unless `fields` say otherwise. */
export function connected(socket: FakeSocket, fields: Wire = {}): Wire {
  const connect = socket.last("connect");
  const asked = (connect["subscriptions"] ?? []) as Wire[];
  return {
    type: "connected",
    id: connect["id"],
    session: "s1",
    capabilities: 7,
    ping_interval_ms: 25_000,
    pong_timeout_ms: 10_000,
    reconnect_window_ms: 1_000,
    limits: LIMITS,
    subscriptions: asked.map(({ sub }) => ({ sub, epoch: EPOCH, seq: 0, outcome: "live" })),
    ...fields,
  };
}

/** A live record as a push. */
export function message(sub: unknown, prev: number, seq: number, fields: Wire = {}): Wire {
  return { type: "message", sub, prev, seq, time: 1_000 + seq, data: `record ${seq}`, ...fields };
}

/** A record as it stands in a page. */
export function record(seq: number): Wire {
  return { seq, time: 1_000 + seq, data: `record ${seq}` };
}
