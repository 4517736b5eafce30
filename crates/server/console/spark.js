// A small area without axes: how far a subscriber was behind over the last minute.

import { draw } from "./dom.js";

/** Values that are shown, one every quarter of a second. */
const POINTS = 240;
const HEIGHT = 40;
/** A value that fills the height at least, so that ordinary jitter looks like what it is. */
const LEAST = 20;

export class Spark {
  #values = new Array(POINTS).fill(0);
  #area = draw("path");

  constructor(place) {
    const attributes = { viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    place.append(draw("svg", attributes, this.#area));
  }

  /** Adds the value of now. */
  add(value) {
    this.#values.shift();
    this.#values.push(value);
  }

  /** Draws what is there now. */
  show() {
    const scale = (HEIGHT - 1) / Math.max(LEAST, ...this.#values);
    const points = this.#values.map((value, x) => `L${x} ${(HEIGHT - value * scale).toFixed(1)}`);
    this.#area.setAttribute("d", `M0 ${HEIGHT}${points.join("")}L${POINTS - 1} ${HEIGHT}Z`);
  }
}
