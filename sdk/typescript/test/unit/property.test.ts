// Whatever a server does to it, a client delivers each record once, in order, and tells what it cannot have.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Subscription, SubscriptionEvent } from "../../src/subscription/subscription.js";
import { settled } from "../support/clock.js";
import { type Harness, harness } from "../support/harness.js";
import { ModelServer } from "../support/model.js";
import { below, type Seeded, seeded } from "../support/random.js";

const SEEDS = Number(process.env["LONGWIRE_SEEDS"] ?? 200);
const STEPS = 120;
const CHANNELS = ["a", "b"];

/** Follows the events of a subscription, and fails where they contradict the promise. */
class Witness {
  readonly seen: string[] = [];
  readonly #what: string;
  /** Whether the server keeps everything, so that nothing may be told as lost. */
  readonly #isComplete: boolean;
  #epoch: string | undefined;
  #seq: number | undefined;

  constructor(what: string, isComplete: boolean) {
    this.#what = what;
    this.#isComplete = isComplete;
  }

  get place(): { readonly epoch: string | undefined; readonly seq: number | undefined } {
    return { epoch: this.#epoch, seq: this.#seq };
  }

  take(event: SubscriptionEvent<unknown>): void {
    const isLoss = event.type === "lost" || event.type === "reset";
    assert.ok(!isLoss || !this.#isComplete, `${this.#what}: ${event.type}, although the server keeps everything`);
    switch (event.type) {
      case "message": {
        const { epoch, seq = -1, data } = event.message;
        assert.equal(epoch, this.#epoch ?? epoch, `${this.#what}: a record of another epoch without a reset`);
        assert.equal(seq, (this.#seq ?? seq - 1) + 1, `${this.#what}: each record once, in order, or told as lost`);
        this.#epoch = epoch;
        this.#seq = seq;
        this.seen.push(String(data));
        break;
      }
      case "lost":
        assert.equal(event.lost.epoch, this.#epoch ?? event.lost.epoch, this.#what);
        assert.equal(event.lost.from, this.#seq ?? event.lost.from, `${this.#what}: a loss begins where the reader stands`);
        assert.ok(event.lost.to > event.lost.from, this.#what);
        this.#epoch = event.lost.epoch;
        this.#seq = event.lost.to;
        break;
      case "reset":
        this.#epoch = event.position.epoch;
        // What the new stream has had before is told as lost from its beginning.
        this.#seq = 0;
        break;
      default:
    }
  }
}

for (const codec of ["json", "cbor"] as const) {
  test(`each record once, in order, in ${codec}, over ${SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        await run(seed, codec);
      } catch (error) {
        throw new Error(`seed ${seed}, ${codec}: ${String(error)}`, { cause: error });
      }
    }
  });
}

async function run(seed: number, codec: "json" | "cbor"): Promise<void> {
  const random = seeded(seed);
  const made = harness({ codec, random: seeded(seed + 1_000_000) });
  const server = new ModelServer(random, 0.2 * random());
  const isComplete = random() < 0.5;
  made.network.ondial = (socket) => {
    setImmediate(() => {
      if (socket.closed !== undefined) return;
      server.accept(socket);
      socket.open();
    });
  };
  for (const channel of CHANNELS) server.publish(channel, "before");

  const rooms = CHANNELS.flatMap((channel) =>
    [0, 1].map(() => {
      const room = made.client.subscribe(channel, { start: random() < 0.5 ? "beginning" : "now" });
      return { room, witness: new Witness(channel, isComplete), isSlow: random() < 0.3 };
    }),
  );
  const loops = rooms.map(({ room, witness, isSlow }) => follow(room, witness, isSlow, random));
  const published: Promise<unknown>[] = [];
  for (let step = 0; step < STEPS; step += 1) {
    act(made, server, random, step, published, isComplete);
    server.step();
    await made.clock.advance(below(random, 30));
  }

  // The bad day is over. A last record shows gaps that nothing has shown yet.
  server.trouble = 0;
  const isQuiet = (): boolean => made.client.stats.pending === 0 && rooms.every(({ room }) => room.state === "live");
  for (let round = 0; round < 2; round += 1) {
    for (let step = 0; step < 2_000 && (step < 20 || !isQuiet()); step += 1) {
      server.step();
      await made.clock.advance(50);
    }
    assert.ok(isQuiet(), `it comes to rest: ${made.client.state}, ${rooms.map(({ room }) => room.state).join()}`);
    if (round === 0) for (const channel of CHANNELS) server.publish(channel, "after");
  }
  await Promise.all(published);
  for (const loop of loops) loop.isSlow = false;
  await settled();
  await settled();

  for (const { room, witness } of rooms) {
    const { epoch, last } = server.stream(room.channel);
    assert.deepEqual(witness.place, { epoch, seq: last }, "it is at the end of its stream");
    const own = witness.seen.filter((data) => data.startsWith("own"));
    const numbers = own.map((data) => Number(data.split(" ")[1]));
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), "own publications come once, in the order of the calls");
  }
  await made.client.close();
  await Promise.all(loops.map(({ done }) => done));
  assert.equal(made.clock.pending, 0, "nothing is left behind");
}

/** Something that happens. */
function act(made: Harness, server: ModelServer, random: Seeded, step: number, published: Promise<unknown>[], isComplete: boolean): void {
  const channel = CHANNELS[below(random, CHANNELS.length)]!;
  switch (below(random, 20)) {
    case 0:
      return server.break();
    case 1:
      return made.client.disconnect();
    case 2:
      return void (!isComplete && random() < 0.3 && server.reset(channel));
    case 3:
      return void (!isComplete && random() < 0.5 && server.forget(channel, below(random, 5)));
    case 4:
      return made.client.wake();
    case 5:
    case 6:
    case 7:
      published.push(made.client.publish(channel, `own ${step}`));
      return;
    default:
      for (let count = below(random, 6); count > 0; count -= 1) server.publish(channel, `other ${step}`);
  }
}

interface Follower {
  isSlow: boolean;
  readonly done: Promise<void>;
}

/** Reads all events; a slow one rests between them. */
function follow(room: Subscription, witness: Witness, isSlow: boolean, random: Seeded): Follower {
  const pace = { isSlow };
  const read = async (): Promise<void> => {
    for await (const event of room.events()) {
      witness.take(event);
      for (let rest = pace.isSlow ? below(random, 3) : 0; rest > 0; rest -= 1) await settled();
    }
  };
  return Object.assign(pace, { done: read() });
}
