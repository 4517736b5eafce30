// The latency plot: medians and 99th percentiles over the last minute, and marks where something happened.

import { draw, span } from "./dom.js";

const WINDOW = 60_000;
/** Milliseconds that share a point. */
const BIN = 500;
const BINS = WINDOW / BIN + 1;
/** A line goes on over a gap this long. */
const BRIDGE = 2_500;
/** Samples that a bin keeps; beyond it every sample replaces an older one. */
const MOST_SAMPLES = 1_000;
const LOWEST = 0.3;
const HIGHEST = 20_000;
const RULES = [1, 10, 100, 1_000, 10_000];
const HEIGHT = 230;
/** Rows of labels above the plot, the height of one, and about the width of a letter. */
const ROWS = 3;
const ROW = 15;
const LETTER = 6.6;
const IDLE = "No message yet";
const INSET = { top: 12 + ROWS * ROW, right: 12, bottom: 24, left: 52 };

export class LatencyPlot {
  #series;
  #marks = [];
  #svg;
  #layers;
  #width = 600;
  #idle;

  /** `names` are the series', which the stylesheet colours by class. */
  constructor(place, names) {
    this.#series = names.map((name) => ({ name, bins: [], line: null, shade: null }));
    this.#svg = draw("svg", { role: "img", "aria-label": "Latency: nothing measured yet" });
    this.#layers = { grid: draw("g", { class: "grid" }), marks: draw("g", { class: "marks" }), lines: draw("g") };
    for (const series of this.#series) {
      series.shade = draw("path", { class: `shade ${series.name}` });
      series.line = draw("path", { class: `line ${series.name}` });
      this.#layers.lines.append(series.shade, series.line);
    }
    this.#svg.append(this.#layers.grid, this.#layers.marks, this.#layers.lines);
    place.append(this.#svg);
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(place);
    this.#resize(place.clientWidth || this.#width);
  }

  /** Adds a latency in milliseconds to a series. */
  add(name, latency) {
    const { bins } = this.#series.find((series) => series.name === name);
    const index = Math.floor(performance.now() / BIN);
    let bin = bins.at(-1);
    if (bin?.index !== index) {
      bin = { index, samples: [], count: 0 };
      bins.push(bin);
      while (bins[0].index < index - BINS) bins.shift();
    }
    if (bin.samples.length < MOST_SAMPLES) bin.samples.push(latency);
    else bin.samples[bin.count % MOST_SAMPLES] = latency;
    bin.count += 1;
    bin.cuts = null;
  }

  /** Marks this instant. Gives what ends it, if it lasts. */
  mark(text, tone) {
    const mark = { text, tone, from: performance.now(), to: null };
    this.#marks.push(mark);
    return (longer = text) => {
      mark.to = performance.now();
      mark.text = longer;
    };
  }

  /** Median and 99th percentile of a series over the last `ms`, or `null`. */
  recent(name, ms) {
    const { bins } = this.#series.find((series) => series.name === name);
    const oldest = Math.floor((performance.now() - ms) / BIN);
    const samples = bins.filter((bin) => bin.index >= oldest).flatMap((bin) => bin.samples);
    return samples.length ? percentiles(samples) : null;
  }

  /** Draws what is there now. */
  show() {
    const now = performance.now();
    const scale = { x: this.#x(now), y: (latency) => this.#y(latency) };
    for (const series of this.#series) {
      const runs = continuous(series.bins.filter((bin) => bin.index * BIN > now - WINDOW));
      series.line.setAttribute("d", runs.map((run) => line(run, scale)).join(""));
      series.shade.setAttribute("d", runs.map((run) => shade(run, scale)).join(""));
    }
    this.#idle.textContent = this.#series.every(({ bins }) => !bins.length) ? IDLE : "";
    this.#marks = this.#marks.filter(({ from, to }) => (to ?? from) > now - WINDOW);
    const ends = [];
    this.#layers.marks.replaceChildren(...this.#marks.flatMap((mark) => this.#flag(mark, scale.x, now, ends)));
  }

  /** Says the plot in words, for those who do not see it. */
  describe(text) {
    this.#svg.setAttribute("aria-label", text);
  }

  #x(now) {
    const { left, right } = INSET;
    return (time) => left + (this.#width - left - right) * Math.max(0, 1 - (now - time) / WINDOW);
  }

  #y(latency) {
    const { top, bottom } = INSET;
    const share = Math.log(clamp(latency) / LOWEST) / Math.log(HIGHEST / LOWEST);
    return HEIGHT - bottom - (HEIGHT - top - bottom) * share;
  }

  #resize(width) {
    if (!width) return;
    this.#width = width;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.setAttribute("height", HEIGHT);
    const { left, right, bottom } = INSET;
    const rules = RULES.flatMap((value) => {
      const y = this.#y(value);
      return [
        draw("line", { x1: left, x2: width - right, y1: y, y2: y }),
        draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, value < 1000 ? `${value} ms` : `${value / 1000} s`),
      ];
    });
    const times = [60, 45, 30, 15, 0].map((seconds) => {
      const x = left + (width - left - right) * (1 - (seconds * 1000) / WINDOW);
      const anchor = seconds === 60 ? "start" : seconds === 0 ? "end" : "middle";
      return draw("text", { x, y: HEIGHT - bottom + 18, "text-anchor": anchor }, seconds ? `−${seconds} s` : "now");
    });
    const centre = { class: "idle", x: (left + width - right) / 2, y: (this.#y(LOWEST) + this.#y(HIGHEST)) / 2, "text-anchor": "middle" };
    this.#idle = draw("text", centre);
    this.#layers.grid.replaceChildren(...rules, ...times, this.#idle);
    this.show();
  }

  /** Draws a mark; `ends` has where the label in each row ends, so that labels do not overlap. */
  #flag({ text, tone, from, to }, x, now, ends) {
    const start = x(from);
    const width = Math.max(2, x(to ?? now) - start);
    const length = text.length * LETTER;
    const left = Math.min(start, this.#width - INSET.right - length);
    let row = 0;
    while (row < ROWS - 1 && ends[row] > left) row += 1;
    ends[row] = left + length + LETTER;
    const { top, bottom } = INSET;
    const above = top - 8 - (ROWS - 1 - row) * ROW;
    return [
      draw("rect", { class: `span ${tone}`, x: start, y: above + 4, width, height: HEIGHT - bottom - above - 4 }),
      draw("text", { class: `flag ${tone}`, x: left, y: above }, text),
    ];
  }
}

function clamp(latency) {
  return Math.min(HIGHEST, Math.max(LOWEST, latency));
}

function percentiles(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99) };
}

/** Splits bins where nothing came for a while. */
function continuous(bins) {
  const runs = [];
  let last = -Infinity;
  for (const bin of bins) {
    if ((bin.index - last) * BIN > BRIDGE) runs.push([]);
    runs.at(-1).push(bin);
    last = bin.index;
  }
  return runs;
}

const middle = (bin) => (bin.index + 0.5) * BIN;
const cuts = (bin) => (bin.cuts ??= percentiles(bin.samples));
const point = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;

function line(run, { x, y }) {
  const points = run.map((bin) => point(x(middle(bin)), y(cuts(bin).p50)));
  // A run of one bin is a dot.
  return `M${points[0]}${points.length > 1 ? `L${points.slice(1).join("L")}` : "h.1"}`;
}

function shade(run, { x, y }) {
  const above = run.map((bin) => point(x(middle(bin)), y(cuts(bin).p99)));
  const below = run.map((bin) => point(x(middle(bin)), y(cuts(bin).p50))).reverse();
  return `M${[...above, ...below].join("L")}Z`;
}

/** How a latency reads beside the plot. */
export function latencyText(recent) {
  return recent ? `p50 ${span(recent.p50)} · p99 ${span(recent.p99)}` : "–";
}
