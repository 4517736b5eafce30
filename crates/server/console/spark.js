// A small area without axes: how far a subscriber was behind over the last minute.

import { draw } from "./dom.js";

const POINTS = 240;
const HEIGHT = 40;
/** Less than this does not fill the height, so that ordinary jitter looks like what it is. */
const LEAST = 20;

export class Spark {
  #values = new Array(POINTS).fill(0);
  #area = draw("path");

  /** `seconds` is what the whole width stands for. */
  constructor(place, seconds = 60) {
    const attributes = { viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    place.append(draw("svg", attributes, this.#area));
    this.#interval = (seconds * 1000) / POINTS;
  }

  #interval;
  #last = performance.now();

  /** The highest value that is shown. */
  get most() {
    return Math.max(...this.#values);
  }

  /** Shows a value as the one of now. */
  show(value) {
    const steps = Math.min(POINTS, Math.floor((performance.now() - this.#last) / this.#interval));
    if (steps === 0) return;
    this.#last += steps * this.#interval;
    this.#values.splice(0, steps);
    while (this.#values.length < POINTS) this.#values.push(value);
    const scale = (HEIGHT - 1) / Math.max(LEAST, this.most);
    const points = this.#values.map((value, x) => `L${x} ${(HEIGHT - value * scale).toFixed(1)}`);
    this.#area.setAttribute("d", `M0 ${HEIGHT}${points.join("")}L${POINTS - 1} ${HEIGHT}Z`);
  }
}
