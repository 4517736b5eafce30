// A subscriber of the proof: its card, its tally and its latencies.

import { Reconnects, SUBSCRIPTION_WORDS } from "./connection.js";
import { count, mark, write } from "./dom.js";
import { Spark } from "./spark.js";
import { Tally } from "./tally.js";

export class Subscriber {
  tally = new Tally();
  /** Whether it is being read slowly. */
  slow = false;
  /** The sequence number of the last message. */
  seq = null;

  #parts = {};
  #publisher;
  #subscription;
  #reconnects;
  #spark;

  constructor(card, client, channel, publisher, { latency, note }) {
    for (const part of card.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    this.#publisher = publisher;
    this.#spark = new Spark(this.#parts.spark);
    this.#reconnects = new Reconnects(client);
    this.#subscription = client.subscribe(channel, { start: "beginning" });
    this.#subscription.on("message", ({ data, seq }) => {
      if (!this.#isOurs(data)) return;
      if (this.tally.take(data.n)) latency(performance.now() - data.at);
      this.seq = seq;
    });
    this.#subscription.on("lost", ({ from, to }) => note(`The server no longer has ${from + 1} to ${to}.`, "bad"));
    this.#subscription.on("reset", () => note("The stream began anew.", "warn"));
    this.#subscription.on("error", (error) => note(error.message ?? String(error), "bad"));
  }

  get behind() {
    return Math.max(0, this.#publisher.acknowledged - this.tally.received);
  }

  /** Whether all that the publisher has sent has arrived. */
  has(number) {
    return this.tally.highest >= number;
  }

  /** Notes how far it is behind. */
  sample() {
    this.#spark.add(this.behind);
  }

  show() {
    const { received, state, behind, lost, doubled, reconnects, seq } = this.#parts;
    const [word, tone] = this.#state();
    mark(state, tone, word);
    write(received, count(this.tally.received));
    write(behind, count(this.behind));
    this.#spark.show();
    write(lost, count(this.tally.lost));
    write(doubled, count(this.tally.doubled));
    lost.dataset.tone = this.tally.lost ? "bad" : "";
    doubled.dataset.tone = this.tally.doubled ? "bad" : "";
    write(reconnects, count(this.#reconnects.count));
    write(seq, this.seq === null ? "–" : count(this.seq));
  }

  #state() {
    if (this.slow) return ["slow", "warn"];
    return SUBSCRIPTION_WORDS[this.#subscription.state] ?? [this.#subscription.state, "idle"];
  }

  /** The channel is open to everybody, so a message counts only if this page can have sent it. */
  #isOurs(data) {
    return Number.isSafeInteger(data?.n) && data.n > 0 && data.n <= this.#publisher.sent && Number.isFinite(data.at);
  }
}
