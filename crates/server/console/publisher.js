// Publishes numbered messages at a steady rate, and counts what is acknowledged.

/** Milliseconds between two looks at what is due. */
const TICK = 20;
/** Messages, and bytes, that may wait for their acknowledgement: well within the SDK's own queue. */
const MOST_WAITING = 500;
const MOST_WAITING_BYTES = 512 * 1024;

export class Publisher {
  /** The number of the last message. */
  sent = 0;
  acknowledged = 0;
  /** What could not be published and was withdrawn. */
  refused = 0;
  rate = 50;
  size = 100;
  running = false;

  #client;
  #channel;
  #timer;
  #due = 0;
  #last = 0;
  #onRefused;

  constructor(client, channel, onRefused) {
    this.#client = client;
    this.#channel = channel;
    this.#onRefused = onRefused;
  }

  get waiting() {
    return this.sent - this.acknowledged - this.refused;
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.#due = 1;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK);
    this.#tick();
  }

  stop() {
    this.running = false;
    clearInterval(this.#timer);
  }

  #tick() {
    const now = performance.now();
    // A page in the background gets few ticks: it owes one second's messages at most.
    this.#due = Math.min(this.#due + ((now - this.#last) * this.rate) / 1000, Math.max(this.rate, 1));
    this.#last = now;
    const room = Math.min(MOST_WAITING, Math.floor(MOST_WAITING_BYTES / this.size));
    while (this.#due >= 1 && this.waiting < room) {
      this.#due -= 1;
      this.#publish();
    }
    if (this.waiting >= room) this.#due = 0;
  }

  async #publish() {
    this.sent += 1;
    const number = this.sent;
    const message = { n: number, at: Math.round(performance.now() * 100) / 100 };
    const filling = this.size - JSON.stringify(message).length - ',"filling":""'.length;
    if (filling > 0) message.filling = "x".repeat(filling);
    try {
      await this.#client.publish(this.#channel, message);
      this.acknowledged += 1;
    } catch (error) {
      this.refused += 1;
      this.stop();
      this.#onRefused(number, error);
    }
  }
}
