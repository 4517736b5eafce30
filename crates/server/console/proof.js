// The proof: one publisher, two subscribers, and three ways to break what is between them.

import { client, connect, cutConnection, killServer, Reconnects, serverInfo } from "./connection.js";
import { clock, count, find, make, mark, plural, randomName, span, whileSeen, write } from "./dom.js";
import { LatencyPlot, latencyText } from "./plot.js";
import { Publisher } from "./publisher.js";
import { Pace, slowSockets } from "./slow-socket.js";
import { Subscriber } from "./subscriber.js";

const NAMESPACE = "demo";
const RATES = [1, 2, 5, 10, 20, 50, 100, 200, 500];
/** How long B stays slow, in milliseconds. */
const SLOW = 10_000;
/** Milliseconds between two looks at the figures: calm to read, and fast enough to be live. */
const REFRESH = 150;
/** Milliseconds between two looks at who is behind, also while nobody sees the page. */
const SAMPLE = 250;
/** The latencies beside the plot are of the last milliseconds. */
const RECENT = 10_000;
const MOST_NOTES = 60;

export function startProof() {
  new Proof();
}

class Proof {
  #pace = new Pace();
  #b = connect({ WebSocket: slowSockets(this.#pace) });
  #plot = new LatencyPlot(find("plot"), ["a", "b"]);
  #publisher;
  #subscribers;
  #harm = { cuts: 0, kills: 0 };
  #killing = null;
  /** The process that serves, as it says. */
  #process = null;
  #endSlow = null;
  /** Who waits for a connection to come back. */
  #returns = [];
  /** What waits until both subscribers are level again. */
  #levels = [];

  constructor() {
    const channel = `${NAMESPACE}:proof-${randomName()}`;
    this.#publisher = new Publisher(client, channel, (number, error) => this.#refused(number, error));
    const subscriber = (name, connection) =>
      new Subscriber(find(`subscriber-${name}`), connection, channel, this.#publisher, {
        latency: (latency) => this.#plot.add(name, latency),
        note: (text, tone) => this.#note(`${name.toUpperCase()}: ${text}`, tone),
      });
    this.#subscribers = { a: subscriber("a", client), b: subscriber("b", this.#b) };
    this.#watchConnections();
    this.#listen();
    this.#warn();
    this.#note(`Both subscribers wait on ${channel}.`);
    setInterval(() => {
      for (const subscriber of Object.values(this.#subscribers)) subscriber.sample();
    }, SAMPLE);
    whileSeen(REFRESH, () => this.#show());
  }

  #listen() {
    find("publish").addEventListener("click", () => this.#toggle());
    find("rate").addEventListener("input", () => this.#setRate());
    find("size").addEventListener("change", ({ target }) => {
      this.#publisher.size = Number(target.value);
    });
    find("cut").addEventListener("click", () => this.#cut());
    find("slow").addEventListener("click", () => (this.#endSlow ? this.#endSlow() : this.#slow()));
    find("kill").addEventListener("click", () => this.#kill());
    this.#setRate();
  }

  #setRate() {
    const rate = RATES[find("rate").value];
    this.#publisher.rate = rate;
    const slider = find("rate");
    slider.setAttribute("aria-valuetext", `${rate} a second`);
    slider.style.setProperty("--filled", `${(100 * slider.value) / slider.max}%`);
    write(find("rate-text"), `${rate} a second`);
  }

  #toggle() {
    const publisher = this.#publisher;
    if (publisher.running) publisher.stop();
    else publisher.start();
    this.#note(
      publisher.running
        ? `Publishing ${publisher.rate} a second.`
        : `Stopped after ${plural(publisher.sent, "message")}.`,
    );
    this.#show();
  }

  #refused(number, error) {
    for (const { tally } of Object.values(this.#subscribers)) tally.excuse(number);
    this.#note(`The server refused message ${number}: ${error.message ?? error}`, "bad");
  }

  /** Has the connection that publisher and A share broken. The SDK does the rest. */
  async #cut() {
    const start = performance.now();
    const back = this.#returnOf([client]);
    try {
      await cutConnection();
    } catch (error) {
      this.#note(`Not cut: ${error.message}.`);
      return;
    }
    this.#harm.cuts += 1;
    const end = this.#plot.mark("cut", "warn");
    this.#note("Connection of publisher and A cut.", "warn");
    const away = (await back) - start;
    end(`cut ${span(away)}`);
    this.#whenLevel(["a"], () => `Back after ${span(away)}, A level again after ${span(performance.now() - start)}.`);
  }

  #slow() {
    const { b } = this.#subscribers;
    const button = find("slow");
    const start = performance.now();
    const end = this.#plot.mark("B slow", "warn");
    let most = 0;
    b.slow = true;
    this.#pace.slow = true;
    button.dataset.on = "true";
    this.#note("B reads two frames a second.", "warn");
    const tick = setInterval(() => {
      const left = SLOW - (performance.now() - start);
      most = Math.max(most, b.behind);
      write(find("slow-text"), `Go on at full speed (${Math.max(0, Math.ceil(left / 1000))} s)`);
      if (left <= 0) this.#endSlow();
    }, 100);
    this.#endSlow = () => {
      clearInterval(tick);
      this.#endSlow = null;
      b.slow = false;
      this.#pace.slow = false;
      delete button.dataset.on;
      write(find("slow-text"), "Go slow");
      end(`B slow ${span(performance.now() - start)}`);
      const freed = performance.now();
      this.#whenLevel(["b"], () => `B was ${count(most)} behind and is level after ${span(performance.now() - freed)}.`);
    };
  }

  async #kill() {
    if (this.#killing !== null) return;
    const start = (this.#killing = performance.now());
    this.#show();
    const back = this.#returnOf([client, this.#b]);
    try {
      await killServer();
    } catch (error) {
      this.#killing = null;
      this.#note(`Not killed: ${error.message}.`);
      return;
    }
    this.#harm.kills += 1;
    const end = this.#plot.mark("killed", "bad");
    this.#note(`Server killed${this.#process ? `: process ${this.#process}` : ""}.`, "bad");
    const away = (await back) - start;
    this.#killing = null;
    end(`down ${span(away)}`);
    this.#whenLevel(["a", "b"], () => `Level again after ${span(performance.now() - start)}.`);
    await this.#identify();
    this.#note(`Back after ${span(away)}${this.#process ? `: process ${this.#process}` : ""}.`, "good");
  }

  async #identify() {
    const info = await serverInfo();
    this.#process = info?.pid ?? null;
    return info;
  }

  /** A namespace that is configured to be in memory keeps no promise over a kill, and the page must not make it. */
  async #warn() {
    const namespaces = (await this.#identify())?.namespaces ?? {};
    if ((namespaces[NAMESPACE] ?? namespaces[""])?.durability !== "memory") return;
    this.#note(`The namespace ${NAMESPACE} is in memory here: a killed server takes what it held.`, "warn");
  }

  /** Waits until the first of the connections has come back, and gives the instant. */
  #returnOf(connections) {
    return new Promise((resolve) => this.#returns.push({ connections, resolve }));
  }

  #watchConnections() {
    for (const connection of [client, this.#b]) {
      new Reconnects(connection, () => {
        const due = this.#returns.filter(({ connections }) => connections.includes(connection));
        this.#returns = this.#returns.filter((wait) => !due.includes(wait));
        for (const { resolve } of due) resolve(performance.now());
      });
    }
  }

  /** Says `text()` once the subscribers have all that had been sent by now. */
  #whenLevel(names, text) {
    this.#levels.push({ names, text, number: this.#publisher.sent });
  }

  #checkLevels() {
    this.#levels = this.#levels.filter(({ names, text, number }) => {
      if (!names.every((name) => this.#subscribers[name].has(number))) return true;
      const { lost, doubled } = this.#sums();
      this.#note(`${text()} Lost ${count(lost)}, doubled ${count(doubled)}.`, lost || doubled ? "bad" : "good");
      return false;
    });
  }

  #sums() {
    const tallies = Object.values(this.#subscribers).map(({ tally }) => tally);
    const sum = (key) => tallies.reduce((total, tally) => total + tally[key], 0);
    return { received: sum("received"), lost: sum("lost"), doubled: sum("doubled"), disordered: sum("disordered") };
  }

  #note(text, tone = "idle") {
    const strip = find("strip");
    const now = Date.now();
    const time = make("time", { dateTime: new Date(now).toISOString() }, clock(now));
    const item = make("li", {}, time, make("span", {}, text));
    item.dataset.tone = tone;
    strip.prepend(item);
    while (strip.children.length > MOST_NOTES) strip.lastChild.remove();
  }

  #show() {
    this.#checkLevels();
    this.#showPublisher();
    for (const subscriber of Object.values(this.#subscribers)) subscriber.show();
    this.#showVerdict();
    this.#showLatency();
    const kill = find("kill");
    kill.setAttribute("aria-disabled", String(this.#killing !== null));
    write(
      find("kill-text"),
      this.#killing === null ? "Kill the server" : `Down for ${((performance.now() - this.#killing) / 1000).toFixed(1)} s`,
    );
  }

  #showPublisher() {
    const { running, sent, acknowledged, waiting } = this.#publisher;
    const away = client.state !== "open";
    const [tone, word] = running ? (away ? ["warn", "holding"] : ["good", "publishing"]) : ["idle", "stopped"];
    mark(find("publisher-state"), tone, word);
    write(find("acknowledged"), count(acknowledged));
    write(find("sent"), count(sent));
    write(find("waiting"), count(waiting));
    find("publish").classList.toggle("primary", !running);
    write(find("publish"), running ? "Stop publishing" : "Start publishing");
  }

  #showVerdict() {
    const { received, lost, doubled, disordered } = this.#sums();
    const fine = !lost && !doubled && !disordered;
    find("verdict").dataset.tone = received === 0 ? "idle" : fine ? "good" : "bad";
    write(find("lost"), count(lost));
    write(find("doubled"), count(doubled));
    if (received === 0) return;
    const order = disordered ? `${count(disordered)} out of order` : "in order";
    write(find("verdict-text"), `${count(received)} arrivals checked, ${order}`);
    const { cuts, kills } = this.#harm;
    const harm = [cuts && plural(cuts, "cut"), kills && plural(kills, "kill")].filter(Boolean).join(" and ");
    write(find("verdict-next"), harm ? `through ${harm}` : "Now cut, slow or kill.");
  }

  #showLatency() {
    if (find("plot").offsetParent === null) return;
    this.#plot.show();
    const texts = ["a", "b"].map((name) => {
      const text = latencyText(this.#plot.recent(name, RECENT));
      write(find(`latency-${name}`), text);
      return `${name.toUpperCase()} ${text}`;
    });
    this.#plot.describe(`Latency from publish to received, last ten seconds: ${texts.join("; ")}`);
  }
}
