// What a subscriber has seen of a publisher's own numbers: 1, 2, 3, ...
//
// It knows nothing of the SDK or its sequence numbers: it would notice if those were wrong.

export class Tally {
  /** Messages that came for the first time. */
  received = 0;
  /** Messages that came again. */
  doubled = 0;
  /** Messages that came after a later one. */
  disordered = 0;
  /** The highest number so far. */
  highest = 0;
  #missing = new Set();

  /** How many are missing below the highest. */
  get lost() {
    return this.#missing.size;
  }

  /** Takes the number of a message that arrived. True if it is new. */
  take(number) {
    if (number > this.highest) {
      for (let missing = this.highest + 1; missing < number; missing += 1) this.#missing.add(missing);
      this.highest = number;
    } else if (this.#missing.delete(number)) {
      this.disordered += 1;
    } else {
      this.doubled += 1;
      return false;
    }
    this.received += 1;
    return true;
  }

  /** Forgives a number that its publisher has withdrawn. */
  excuse(number) {
    if (this.#missing.delete(number) || number <= this.highest) return;
    this.take(number);
    this.received -= 1;
  }
}
