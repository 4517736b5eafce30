// The token stream: an answer is a durable channel, so that neither a reload nor a crash takes anything from it.
//
// The first record is the question. The pieces follow, published by the server one by one; when it is killed this page asks
// for the rest. The channel ends with the answer.

import { client, killServer, Reconnects, SUBSCRIPTION_WORDS, typeAnswer } from "./connection.js";
import { count, find, make, mark, randomName, remember, write } from "./dom.js";
import { answerTo } from "./generator.js";
import { Tally } from "./tally.js";

const INTERVAL = 50;
/** Milliseconds without a piece after which the server is asked to go on. */
const PATIENCE = 1_500;
const ID = /^[a-z0-9]{4,40}$/;
const SUGGESTIONS = ["Why do streams break?", "Explain idempotency to a pirate", "What survives kill -9?"];

/** Opens answers; `go` sets the address of the page. */
export function startStream(go) {
  let answer = null;
  const prompt = find("prompt");
  const ask = async (question) => {
    const id = randomName();
    const published = client.publish(`answers:${id}`, { prompt: question }, { event: "prompt", key: "prompt" });
    go("stream", id);
    try {
      await published;
    } catch (error) {
      answer?.fail(error);
    }
  };
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = prompt.value.trim();
    prompt.value = "";
    if (question) ask(question);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    find("ask").requestSubmit();
  });
  for (const suggestion of SUGGESTIONS) {
    const button = make("button", { type: "button", className: "button small" }, suggestion);
    button.addEventListener("click", () => ask(suggestion));
    find("suggestions").append(button);
  }
  find("reload").addEventListener("click", () => location.reload());
  find("answer-kill").addEventListener("click", () => killServer().catch((error) => answer?.fail(error)));
  setInterval(() => answer?.look(), 100);

  return (id) => {
    const wanted = ID.test(id ?? "") ? id : null;
    if (answer?.id === wanted) return;
    answer?.close();
    answer = wanted && new Answer(wanted);
    find("answer").hidden = !answer;
    if (!answer) prompt.focus({ preventScroll: true });
  };
}

class Answer {
  id;
  #tally = new Tally();
  #subscription;
  #reconnects = new Reconnects(client);
  #pieces = null;
  #ended = false;
  #fault = null;
  #asking = false;
  /** When something last came, and when the server was last asked. */
  #heard = 0;
  #asked = -Infinity;

  constructor(id) {
    this.id = id;
    const loads = Number(remember(sessionStorage, `loads-${id}`) ?? 0) + 1;
    remember(sessionStorage, `loads-${id}`, loads);
    write(find("answer-loads"), count(loads));
    find("twin").href = `#stream/${id}`;
    find("prose").replaceChildren();
    write(find("question"), "…");
    this.#subscription = client.subscribe(`answers:${id}`, { start: "beginning" });
    this.#subscription.on("message", (message) => this.#take(message));
    this.#subscription.on("ended", () => {
      this.#ended = true;
    });
    this.#subscription.on("error", (error) => this.fail(error));
    this.look();
  }

  close() {
    this.#subscription.unsubscribe();
    this.#reconnects.stop();
  }

  fail(error) {
    this.#fault = error.message ?? String(error);
    this.look();
  }

  #take({ event, data }) {
    this.#heard = performance.now();
    this.#fault = null;
    if (event === "prompt" && typeof data?.prompt === "string" && !this.#pieces) {
      write(find("question"), data.prompt);
      this.#pieces = answerTo(data.prompt);
    } else if (event === "token" && Number.isSafeInteger(data?.n) && data.n >= 0 && data.n < (this.#pieces?.length ?? 0)) {
      // Pieces count from 0, and a tally from 1.
      if (this.#tally.take(data.n + 1)) find("prose").append(String(data.text));
    }
  }

  /** Shows what is so now, and asks the server to go on where nothing comes. */
  look() {
    const { received, lost, doubled } = this.#tally;
    const total = this.#pieces?.length ?? 0;
    write(find("pieces"), total ? `${count(received)} of ${count(total)}` : "0");
    for (const [id, figure] of [["answer-lost", lost], ["answer-doubled", doubled]]) {
      write(find(id), count(figure));
      find(id).dataset.tone = figure ? "bad" : "";
    }
    write(find("answer-reconnects"), count(this.#reconnects.count));
    const progress = find("progress");
    progress.setAttribute("aria-valuemax", total || 1);
    progress.setAttribute("aria-valuenow", received);
    progress.firstElementChild.style.width = `${total ? (100 * received) / total : 0}%`;
    const [tone, word] = this.#state();
    mark(find("answer-state"), tone, word);
    find("answer").dataset.streaming = String(tone === "live");
    if (this.#isSilent()) this.#ask();
  }

  #state() {
    const { state } = this.#subscription;
    if (this.#fault) return ["bad", this.#fault];
    if (this.#ended) return ["good", "complete"];
    if (state !== "live") return SUBSCRIPTION_WORDS[state]?.toReversed() ?? ["idle", state];
    return this.#pieces ? ["live", "streaming"] : ["idle", "no such answer yet"];
  }

  #isSilent() {
    return (
      this.#pieces && !this.#ended && !this.#asking && this.#subscription.state === "live" &&
      (this.#tally.received === 0 || performance.now() - this.#heard > PATIENCE) &&
      performance.now() - this.#asked > PATIENCE
    );
  }

  /** Asks the server to publish the pieces from the first that is missing. Asking twice does no harm: they have keys. */
  async #ask() {
    this.#asking = true;
    this.#asked = performance.now();
    try {
      const from = this.#tally.received;
      await typeAnswer(`answers:${this.id}`, { from, interval_ms: INTERVAL, pieces: this.#pieces });
    } catch (error) {
      // A server that is away has the connection reconnecting; anything else is told.
      if (client.state === "open") this.fail(error);
    }
    this.#asking = false;
  }
}
