// The chat: a room is a durable channel, and opening it shows its latest messages.

import { client, SUBSCRIPTION_WORDS } from "./connection.js";
import { date, find, make, mark, minute, randomName, remember } from "./dom.js";

/** Messages that a room shows when it is opened. */
const LATEST = 50;
/** Messages that the page keeps. */
const MOST = 500;
/** Messages of one author within this time stand together. */
const TOGETHER = 5 * 60_000;
const ROOM = /^[A-Za-z0-9_.-]{1,100}$/;
/** So many pixels from the end of the list still count as its end. */
const NEAR = 80;

const me = remember(localStorage, "me") ?? randomName();
remember(localStorage, "me", me);

/** Opens rooms; `go` sets the address of the page. */
export function startChat(go) {
  const chat = new Chat();
  const name = find("name");
  name.value = remember(localStorage, "name") ?? "";
  name.addEventListener("change", () => remember(localStorage, "name", name.value.trim()));
  find("room-form").addEventListener("submit", (event) => {
    event.preventDefault();
    go("chat", find("room").value);
  });
  find("room").addEventListener("change", ({ target }) => target.reportValidity() && go("chat", target.value));
  find("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    chat.send();
  });
  const text = find("text");
  text.addEventListener("input", () => fit(text));
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    find("composer").requestSubmit();
  });
  find("jump").addEventListener("click", () => chat.toEnd());
  find("scroll").addEventListener("scroll", () => chat.scrolled(), { passive: true });
  return (room = "lobby") => chat.open(ROOM.test(room) ? room : "lobby");
}

class Chat {
  #room = null;
  #subscription = null;
  /** What was sent from here and has not come back: its element, by its id. */
  #pending = new Map();
  /** The ids of the messages that are shown. */
  #shown = new Set();
  #list = find("messages");
  #scroll = find("scroll");

  open(room) {
    find("room").value = room;
    if (room === this.#room) return;
    this.#subscription?.unsubscribe();
    this.#room = room;
    this.#pending.clear();
    this.#shown.clear();
    this.#list.replaceChildren();
    this.#scroll.setAttribute("aria-busy", "true");
    const subscription = client.subscribe(this.#channel, { start: { last: LATEST } });
    this.#subscription = subscription;
    subscription.on("message", (message) => this.#take(message));
    subscription.on("lost", () => this.#remark("Some messages are older than what the server keeps."));
    subscription.on("reset", () => this.#remark("The room began anew."));
    subscription.on("error", (error) => this.#remark(error.message ?? String(error)));
    subscription.on("state", () => this.#showState());
    this.#showState();
  }

  get #channel() {
    return `chat:${this.#room}`;
  }

  async send() {
    const text = find("text").value.trim();
    const name = find("name").value.trim();
    if (!text || !name) return;
    remember(localStorage, "name", name);
    find("text").value = "";
    fit(find("text"));
    await this.#publish({ id: randomName(12), from: me, name, text });
  }

  /** Shows a message at once, and publishes it. It is sent when the server says that it is on disk. */
  async #publish(data) {
    const room = this.#room;
    const item = this.#item(data, Date.now());
    item.dataset.sending = "true";
    this.#pending.set(data.id, item);
    this.#add(item);
    this.toEnd();
    try {
      await client.publish(this.#channel, data, { event: "chat", key: data.id });
      delete item.dataset.sending;
    } catch (error) {
      if (room === this.#room) this.#failed(item, data, error);
    }
  }

  /** It stays among those that are sent: it may come all the same, and then stands here once. */
  #failed(item, data, error) {
    delete item.dataset.sending;
    item.dataset.failed = "true";
    const again = make("button", { type: "button", className: "textual" }, "Send again");
    again.addEventListener("click", () => {
      item.remove();
      this.#publish(data);
    });
    item.append(make("p", { className: "fault" }, `Not sent: ${error.message ?? error} `, again));
  }

  #take({ data, time }) {
    if (typeof data?.text !== "string" || typeof data.name !== "string" || this.#shown.has(data.id)) return;
    const stay = this.#isNearEnd() || this.#pending.has(data.id);
    if (data.id !== undefined) this.#shown.add(data.id);
    this.#pending.get(data.id)?.remove();
    this.#pending.delete(data.id);
    this.#add(this.#item(data, time));
    while (this.#list.children.length > MOST) this.#list.firstChild.remove();
    if (stay) this.toEnd();
    else find("jump").hidden = false;
  }

  #item({ from, name, text }, time) {
    const stamp = make("time", { dateTime: new Date(time).toISOString() }, minute(time));
    const author = make("b", {}, name.slice(0, 40) || "Nobody");
    const item = make("li", {}, make("p", { className: "by" }, author, stamp), make("p", { className: "text" }, text));
    Object.assign(item.dataset, { from: String(from), name, time, hue: hue(name) });
    return item;
  }

  /** Adds a message behind the others, but before what is still being sent. */
  #add(item) {
    const first = item.dataset.sending ? null : this.#list.querySelector("[data-sending]");
    const previous = first ? first.previousElementSibling : this.#list.lastElementChild;
    const { time, from, name } = item.dataset;
    const before = previous?.dataset;
    if (!before?.time || date(Number(before.time)) !== date(Number(time))) {
      const heading = make("li", { className: "day" }, date(Number(time)));
      if (before?.time || date(Number(time)) !== date(Date.now())) this.#list.insertBefore(heading, first);
    }
    const together = before?.from === from && before.name === name && time - before.time < TOGETHER;
    item.classList.toggle("follows", together);
    this.#list.insertBefore(item, first);
    find("chat-empty").hidden = true;
  }

  #remark(text) {
    this.#list.append(make("li", { className: "day" }, text));
  }

  #showState() {
    const { state } = this.#subscription;
    const [word, tone] = SUBSCRIPTION_WORDS[state] ?? [state, "idle"];
    mark(find("chat-state"), tone, word);
    if (state !== "live") return;
    this.#scroll.setAttribute("aria-busy", "false");
    find("chat-empty").hidden = this.#list.children.length > 0;
  }

  #isNearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  scrolled() {
    if (this.#isNearEnd()) find("jump").hidden = true;
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    find("jump").hidden = true;
  }
}

/** One of six colours, always the same for a name. */
function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 6007;
  return sum % 6;
}

/** Lets a field be as high as its text. */
function fit(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}
