// Lines to copy, with this server's address, and what arrives on the channel `demo`.

import { client, SUBSCRIPTION_WORDS } from "./connection.js";
import { clock, find, make, mark } from "./dom.js";

const CHANNEL = "demo";
const LATEST = 20;
const MOST = 200;
/** Characters of a message that are shown. */
const LONGEST = 2_000;
/** Milliseconds for which a button says what it did. */
const COPIED = 1_600;
const USUAL = "http://127.0.0.1:8000";

/** The lines for a server at `origin`, such as `http://127.0.0.1:8000`. */
function lines(origin) {
  const web = origin.replace(/^http/, "ws");
  // The command finds the server of this address by itself.
  const there = origin === USUAL ? "" : `--url ${origin} `;
  const messages = `${origin}/v1/channels/${CHANNEL}`;
  return [
    ["Publish with curl", `curl -d 'hello' ${messages}/messages`],
    ["Listen with curl", `curl -N '${messages}/events?last=10'`],
    ["A bare WebSocket", `websocat '${web}/v1/channels/${CHANNEL}/socket?last=10'`],
    [
      "JavaScript",
      `import { Client } from "${origin}/longwire.js";

const client = new Client("${web}/v1/connect");
const demo = client.subscribe("${CHANNEL}", { start: { last: 10 } });
demo.on("message", ({ data }) => console.log(data));
await client.publish("${CHANNEL}", "hello");`,
    ],
    ["Publish from the command line", `longwire publish ${there}${CHANNEL} 'hello'`],
    ["Listen from the command line", `longwire tail ${there}--from last:10 ${CHANNEL}`],
  ];
}

export function startTry() {
  find("lines").append(...lines(location.origin).map(([title, text]) => block(title, text)));
  let live = null;
  return () => {
    live ??= new Live();
  };
}

function block(title, text) {
  const copy = make("button", { type: "button", className: "button small" });
  const say = (text) => {
    copy.textContent = text;
    copy.ariaLabel = `${text}: ${title}`;
  };
  say("Copy");
  copy.addEventListener("click", async () => {
    const copied = await toClipboard(text);
    say(copied ? "Copied" : "Press Ctrl+C");
    setTimeout(() => say("Copy"), COPIED);
  });
  const code = make("code", {}, text);
  const shown = make("pre", { tabIndex: 0 }, code);
  return make("article", { className: "card snippet" }, make("header", {}, make("h2", {}, title), copy), shown);
}

/** A page that is not served from this machine or by TLS has no clipboard; there the text is selected. */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const code = [...document.querySelectorAll("#lines code")].find((element) => element.textContent === text);
    getSelection().selectAllChildren(code);
    return false;
  }
}

class Live {
  #list = find("live");
  #subscription = client.subscribe(CHANNEL, { start: { last: LATEST } });

  constructor() {
    const show = () => {
      const [word, tone] = SUBSCRIPTION_WORDS[this.#subscription.state] ?? [this.#subscription.state, "idle"];
      mark(find("live-state"), tone, word);
    };
    this.#subscription.on("state", show);
    this.#subscription.on("message", (message) => this.#take(message));
    this.#subscription.on("error", (error) => this.#add(make("li", {}, error.message ?? String(error))));
    show();
  }

  #take({ data, seq, time, event }) {
    const head = make("p", {}, make("time", {}, clock(time)), make("span", {}, seq === undefined ? "ephemeral" : `seq ${seq}`));
    if (event) head.append(make("span", {}, event));
    this.#add(make("li", {}, head, make("pre", {}, readable(data))));
  }

  #add(item) {
    this.#list.prepend(item);
    while (this.#list.children.length > MOST) this.#list.lastChild.remove();
    find("live-empty").hidden = true;
  }
}

function readable(data) {
  if (data instanceof Uint8Array) return `${data.length} bytes: ${hex(data.subarray(0, 64))}`;
  const text = typeof data === "string" ? data : JSON.stringify(data, null, 2);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
