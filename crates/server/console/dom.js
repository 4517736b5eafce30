// Small helpers: finding and making elements, and how figures and times read.

export const find = (id) => document.getElementById(id);

/** Makes an element. Text is always text, never markup. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes an element of SVG. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Writes a text where it has changed, so that nothing is announced or laid out twice. */
export function write(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Sets a state that the stylesheet and assistive technology can see. */
export function mark(chip, tone, text) {
  if (chip.dataset.tone !== tone) chip.dataset.tone = tone;
  write(chip, text);
}

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const wall = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortWall = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });

export const count = (number) => whole.format(number);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
export const clock = (ms) => wall.format(ms);
export const minute = (ms) => shortWall.format(ms);
export const date = (ms) => day.format(ms);

/** A span of milliseconds with two digits that matter. */
export function span(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** A short random name, for channels and messages of this page. */
export function randomName(length = 10) {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");
}

/** Calls `action` every `ms` while the page is seen, and when it is seen again. */
export function whileSeen(ms, action) {
  setInterval(() => document.hidden || action(), ms);
  document.addEventListener("visibilitychange", () => document.hidden || action());
}

/** Keeps something small for later pages, where the browser allows it. */
export function remember(store, key, value) {
  try {
    if (value === undefined) return store.getItem(`longwire-${key}`);
    store.setItem(`longwire-${key}`, value);
  } catch {
    // Storage may be turned off; then nothing is remembered, and everything else works.
  }
  return null;
}
