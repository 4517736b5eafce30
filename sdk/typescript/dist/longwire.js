// The client of Longwire's channels, built from sdk/typescript/src.


// src/checks.ts
function checkChannel(name) {
  if (typeof name === "string" && CHANNEL.test(name)) return;
  throw new TypeError(
    `the channel ${JSON.stringify(name)}: a name has 1 to 200 letters, digits and _ - . : / @ ~ = +, all ASCII`
  );
}
function checkToken(what, text) {
  if (text === void 0) return;
  const bytes = typeof text === "string" ? new TextEncoder().encode(text).length : 0;
  if (bytes >= 1 && bytes <= 128 && !CONTROL.test(text)) return;
  throw new TypeError(`${what} ${JSON.stringify(text)}: it needs 1 to 128 bytes without control characters`);
}
function wireStart(start) {
  if (start === void 0 || start === "now") return void 0;
  if (start === "beginning") return { beginning: true };
  if (typeof start === "object" && start !== null) {
    if (isPosition(start)) return { epoch: start.epoch, seq: start.seq };
    if ("last" in start && isCount(start.last) && start.last < 2 ** 32) return { last: start.last };
    if ("time" in start && isCount(start.time)) return { time: start.time };
  }
  throw new TypeError(`start ${JSON.stringify(start)}: give "now", "beginning", {last}, {time} or {epoch, seq}`);
}
function isPosition(value) {
  return "epoch" in value && typeof value.epoch === "string" && EPOCH.test(value.epoch) && "seq" in value && isCount(value.seq);
}
function checkPolicy(policy) {
  if (policy === void 0) return void 0;
  switch (policy.type) {
    case "all":
    case "drop":
    case "disconnect":
      return { type: policy.type };
    case "latest":
      if (policy.interval_ms === void 0) return { type: "latest" };
      if (isCount(policy.interval_ms)) return { type: "latest", interval_ms: policy.interval_ms };
      break;
    case "rollup":
      if (isCount(policy.interval_ms) && policy.interval_ms > 0) return { type: "rollup", interval_ms: policy.interval_ms };
  }
  throw new TypeError(
    `policy ${JSON.stringify(policy)}: give the type all, latest, rollup, drop or disconnect; interval_ms in whole milliseconds`
  );
}
function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0;
}
var CHANNEL = /^[A-Za-z0-9_\-.:/@~=+]{1,200}$/;
var CONTROL = /\p{Cc}/u;
var EPOCH = /^[0-9a-f]{16}$/i;

// src/backoff.ts
var Backoff = class {
  #random;
  #count = 0;
  constructor(random) {
    this.#random = random;
  }
  /** Whether nothing has failed since the last `reset`. */
  get isFresh() {
    return this.#count === 0;
  }
  /** The next delay: 0 to min(20 s, 500 ms * 2^n), in milliseconds; n then grows by 1. */
  next() {
    return this.within(Math.min(LONGEST_MS, BASE_MS * 2 ** this.#count));
  }
  /** A delay of 0 to `bound` milliseconds; n grows by 1. */
  within(bound) {
    this.count();
    return Math.floor(this.#random() * bound);
  }
  /** What the server told, an hour at most; else the next delay. n grows by 1. */
  delay(toldMs) {
    if (toldMs === void 0) return this.next();
    this.count();
    return Math.min(toldMs, LONGEST_TOLD_MS);
  }
  /** n grows by 1: something failed whose delay is another's to say. */
  count() {
    this.#count += 1;
  }
  /** All is well again: n is 0. */
  reset() {
    this.#count = 0;
  }
};
var BASE_MS = 500;
var LONGEST_MS = 2e4;
var LONGEST_TOLD_MS = 36e5;

// src/errors.ts
var RefusedError = class extends Error {
  name = "RefusedError";
  /** Why, as a stable name: `forbidden`, `too_large`, ... */
  code;
  /** Whether the same command may succeed later. */
  temporary;
  /** When to try again: milliseconds from the answer. */
  retryAfterMs;
  /** Of a publication: its idempotency key. `undefined` for an ephemeral one, and for any other command. */
  key;
  constructor(refusal2, key) {
    const mayBeStored = refusal2.code === "storage_failed" && key !== void 0;
    super(`${refusal2.code}: ${refusal2.message}${mayBeStored ? `; it may be stored all the same: ${onceWith(key)}` : ""}`);
    this.key = key;
    this.code = refusal2.code;
    this.temporary = refusal2.temporary;
    this.retryAfterMs = refusal2.retryAfterMs;
  }
};
var NotSentError = class extends Error {
  name = "NotSentError";
};
var UnknownOutcomeError = class extends Error {
  name = "UnknownOutcomeError";
  /** The publication's idempotency key; `undefined` for an ephemeral one. */
  key;
  constructor(cause, key, options) {
    const cure = key === void 0 ? "" : `; ${onceWith(key)}`;
    super(`${cause}: the outcome is unknown, it may be published${cure}`, options);
    this.key = key;
  }
};
function onceWith(key) {
  return `publish again with the key "${key}", and it is there once`;
}
var QueueFullError = class extends Error {
  name = "QueueFullError";
  constructor(what) {
    super(`${what} wait for the server already, and nothing of this one was sent: wait for an answer to one of them`);
  }
};
var ClosedError = class extends Error {
  name = "ClosedError";
  /** The close code: 1000 where this side ended it, as by `close()`. */
  code;
  /** What the server said, or who closed it. */
  reason;
  constructor(code, reason, options) {
    const told = reason || "it gave no reason";
    super(
      code === 1e3 ? `${reason}: make a new client` : `the server closed the connection for good with ${code}: ${told}`,
      options
    );
    this.code = code;
    this.reason = reason;
  }
};
var NotAnsweredError = class extends Error {
  name = "NotAnsweredError";
};
var ProtocolError = class extends Error {
  name = "ProtocolError";
};
var TokenError = class extends Error {
  name = "TokenError";
};
var ContentError = class extends Error {
  name = "ContentError";
};
var LostError = class extends Error {
  name = "LostError";
  /** The close code; 1006 if it ended without a word. */
  code;
  constructor(message2, code) {
    super(message2);
    this.code = code;
  }
};

// src/message.ts
function messageOf(channel, epoch, record2, data, skipped) {
  const { seq, time, event, publisher } = record2;
  const position2 = seq === void 0 ? void 0 : { epoch, seq };
  return { channel, epoch, seq, position: position2, time, data, event, publisher, skipped };
}

// src/commands/historian.ts
var Historian = class {
  #parts;
  #questions = /* @__PURE__ */ new Set();
  #drained;
  constructor(parts) {
    this.#parts = parts;
  }
  /** Asks. The channel and the options were checked. */
  read(channel, options) {
    if (this.#questions.size >= MAX_QUESTIONS) {
      return Promise.reject(new QueueFullError(`${MAX_QUESTIONS} questions for history`));
    }
    const { connection, codec, clock, random } = this.#parts;
    const { timeoutMs, ...what } = options;
    const id = connection.nextId();
    const frame = codec.encode({ type: "history", id, channel, ...what });
    return new Promise((resolve, reject) => {
      const question = { id, frame, channel, resolve, reject, backoff: new Backoff(random), isAsked: false, limit: void 0, timer: void 0 };
      this.#questions.add(question);
      if (timeoutMs !== void 0) {
        const late = new NotAnsweredError(`no answer within ${timeoutMs} ms: ask again`);
        question.limit = clock.setTimeout(() => this.#over(question).reject(late), timeoutMs);
      }
      this.#ask(question);
    });
  }
  /** Asks whatever is not answered, waits for nothing, and was not asked when the state was told. */
  opened() {
    for (const question of this.#questions) {
      if (!question.isAsked && question.timer === void 0) this.#ask(question);
    }
  }
  /** Nothing that was asked will be answered. */
  connectionLost() {
    for (const question of this.#questions) question.isAsked = false;
  }
  /** All that waits is over. */
  closed(cause) {
    for (const question of [...this.#questions]) {
      this.#over(question).reject(new NotAnsweredError("the client was closed before the answer came: make a new client, and ask again", { cause }));
    }
  }
  /** Resolves once nothing waits. */
  drain() {
    return new Promise((resolve) => {
      if (this.#questions.size === 0) resolve();
      else this.#drained = resolve;
    });
  }
  #ask(question) {
    const { connection } = this.#parts;
    question.timer = void 0;
    question.isAsked = connection.connected !== void 0;
    connection.call(question, (answer2) => this.#answered(question, answer2));
  }
  #answered(question, answer2) {
    if (answer2.type === "error") return this.#refused(question, answer2.error);
    const { resolve, reject } = this.#over(question);
    if (answer2.type !== "history") return reject(new ProtocolError(`\`history\` was answered by \`${answer2.type}\``));
    const { epoch, first, last, more } = answer2;
    const messages = answer2.messages.map((record2) => messageOf(question.channel, epoch, record2, record2.data, 0));
    resolve({ epoch, first, last, messages, more });
  }
  #refused(question, refusal2) {
    const { connection, clock } = this.#parts;
    if (!connection.isTemporary(refusal2)) return this.#over(question).reject(new RefusedError(refusal2));
    question.timer = clock.setTimeout(() => this.#ask(question), question.backoff.delay(refusal2.retryAfterMs));
  }
  #over(question) {
    const { connection, clock } = this.#parts;
    clock.clearTimeout(question.limit);
    clock.clearTimeout(question.timer);
    connection.forget(question.id);
    this.#questions.delete(question);
    if (this.#questions.size === 0) this.#drained?.();
    return question;
  }
};
var MAX_QUESTIONS = 100;

// src/codec/codec.ts
function frameBytes(frame) {
  return typeof frame === "string" ? new TextEncoder().encode(frame).byteLength : frame.byteLength;
}

// src/protocol/messages.ts
var Capability = { pages: 1, pings: 2, tickets: 4 };

// src/random.ts
var systemRandom = () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
function uniqueName(random) {
  const word = () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
  return word() + word() + word() + word();
}

// src/stats.ts
var Counters = class {
  received = 0;
  doubled = 0;
  gaps = 0;
  lost = 0;
  skipped = 0;
  resets = 0;
  paused = 0;
};
var LatencyMeter = class {
  #kept = [];
  #count = 0;
  add(ms) {
    this.#kept[this.#count % KEPT] = ms;
    this.#count += 1;
  }
  snapshot() {
    const sorted = [...this.#kept].sort((a, b) => a - b);
    const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
    const sum = sorted.reduce((total, ms) => total + ms, 0);
    return {
      count: this.#count,
      last: this.#kept[(this.#count - 1) % KEPT] ?? null,
      mean: sorted.length > 0 ? sum / sorted.length : null,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1)
    };
  }
};
var KEPT = 1024;

// src/commands/publisher.ts
var Publisher = class {
  latency = new LatencyMeter();
  published = 0;
  #parts;
  #producer;
  #counter = 0;
  /** Invariant: in the order of their calls, which is that of their ids. */
  #queued = [];
  #inFlight = /* @__PURE__ */ new Map();
  #bytes = 0;
  /** Until the first of those that were refused for a time may be sent again. */
  #timer;
  #drained;
  constructor(parts) {
    this.#parts = parts;
    this.#producer = uniqueName(parts.random);
  }
  /** Publications that are not answered. */
  get pending() {
    return this.#queued.length + this.#inFlight.size;
  }
  /** Resolves with its position, and with `undefined` if it is ephemeral. */
  publish(publication) {
    const { connection, codec, random } = this.#parts;
    const { channel, data, event, ephemeral } = publication;
    const id = connection.nextId();
    const key = ephemeral ? void 0 : publication.key ?? this.#nextKey();
    const frame = codec.encode({
      type: "publish",
      id,
      channel,
      data,
      ...event !== void 0 && { event },
      ...key !== void 0 && { key },
      ...ephemeral && { ephemeral }
    });
    const bytes = frameBytes(frame);
    if (this.pending > 0 && (this.pending >= MAX_COUNT || this.#bytes + bytes > MAX_BYTES)) {
      return Promise.reject(new QueueFullError(`${this.pending} publications of ${this.#bytes} bytes`));
    }
    return new Promise((resolve, reject) => {
      const backoff = new Backoff(random);
      const operation = { id, frame, channel, bytes, key, resolve, reject, backoff, sentAt: 0, notBefore: 0, isUncertain: false, isOver: false, timer: void 0 };
      this.#bytes += bytes;
      this.#queued.push(operation);
      this.#limit(operation, publication.timeoutMs);
      this.send();
    });
  }
  /** Sends what may be sent now. */
  send() {
    const { connection, clock } = this.#parts;
    const limits2 = connection.connected?.limits;
    if (limits2 === void 0) return;
    const now = clock.monotonic();
    const held = /* @__PURE__ */ new Map();
    const kept2 = [];
    const tooLarge = [];
    for (const operation of this.#queued) {
      if (operation.bytes > limits2.maxMessageBytes) {
        tooLarge.push(operation);
      } else if (held.has(operation.channel) || this.#inFlight.size >= MAX_IN_FLIGHT) {
        kept2.push(operation);
      } else if (operation.notBefore > now) {
        held.set(operation.channel, operation.notBefore);
        kept2.push(operation);
      } else {
        operation.sentAt = now;
        this.#inFlight.set(operation.id, operation);
        connection.call(operation, (answer2) => this.#answered(operation, answer2));
      }
    }
    this.#queued = kept2;
    clock.clearTimeout(this.#timer);
    const next = Math.min(...held.values());
    this.#timer = next < Infinity ? clock.setTimeout(() => this.send(), next - now) : void 0;
    for (const operation of tooLarge) {
      if (operation.isUncertain) this.#giveUp(operation, LOST);
      else this.#over(operation)?.reject(tooLargeError(operation, limits2.maxMessageBytes));
    }
  }
  /** Nothing that is in flight will be answered. What can be sent again, waits for that. */
  connectionLost() {
    const { clock } = this.#parts;
    clock.clearTimeout(this.#timer);
    const inFlight = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#queued = [...inFlight, ...this.#queued].sort((a, b) => a.id - b.id);
    for (const operation of inFlight) {
      operation.isUncertain = true;
      if (operation.key === void 0) this.#giveUp(operation, LOST);
    }
  }
  /** All that waits is over. */
  closed(cause) {
    for (const operation of [...this.#inFlight.values(), ...this.#queued]) this.#giveUp(operation, "the client is closed", cause);
    this.#parts.clock.clearTimeout(this.#timer);
  }
  /** Resolves once nothing waits. */
  drain() {
    return new Promise((resolve) => {
      if (this.pending === 0) resolve();
      else this.#drained = resolve;
    });
  }
  #answered(operation, answer2) {
    if (answer2.type === "error") return this.#refused(operation, answer2.error);
    const over = this.#over(operation);
    if (answer2.type !== "published") {
      return over?.reject(new ProtocolError(`\`publish\` was answered by \`${answer2.type}\`: the outcome is unknown`));
    }
    this.published += 1;
    this.latency.add(this.#parts.clock.monotonic() - operation.sentAt);
    over?.resolve(answer2.position && { ...answer2.position, duplicate: answer2.duplicate });
    this.send();
  }
  #refused(operation, refusal2) {
    const { connection, clock } = this.#parts;
    if (connection.isTemporary(refusal2)) {
      operation.notBefore = clock.monotonic() + operation.backoff.delay(refusal2.retryAfterMs);
      this.#inFlight.delete(operation.id);
      const place = this.#queued.findIndex((other) => other.id > operation.id);
      this.#queued.splice(place < 0 ? this.#queued.length : place, 0, operation);
    } else {
      this.#over(operation)?.reject(new RefusedError(refusal2, operation.key));
    }
    this.send();
  }
  #limit(operation, timeoutMs) {
    if (timeoutMs === void 0) return;
    operation.timer = this.#parts.clock.setTimeout(() => {
      this.#giveUp(operation, `no answer within ${timeoutMs} ms`);
      this.send();
    }, timeoutMs);
  }
  /** It is over without an answer: certain only if it was never sent, or refused each time. */
  #giveUp(operation, why, cause) {
    const options = cause === void 0 ? void 0 : { cause };
    const isUncertain = operation.isUncertain || this.#inFlight.has(operation.id);
    const error = isUncertain ? new UnknownOutcomeError(why, operation.key, options) : new NotSentError(`${why}: it was not sent; publish it again`, options);
    this.#over(operation)?.reject(error);
  }
  /** It no longer waits. `undefined` if it was over before. */
  #over(operation) {
    const { connection, clock } = this.#parts;
    if (operation.isOver) return void 0;
    operation.isOver = true;
    clock.clearTimeout(operation.timer);
    connection.forget(operation.id);
    this.#inFlight.delete(operation.id);
    this.#queued = this.#queued.filter((other) => other !== operation);
    this.#bytes -= operation.bytes;
    if (this.pending === 0) this.#drained?.();
    return operation;
  }
  #nextKey() {
    this.#counter += 1;
    return `${this.#producer}:${this.#counter}`;
  }
};
function tooLargeError({ bytes, key }, limit) {
  const message2 = `it has ${bytes} bytes once it is encoded, and the server takes ${limit}: send less, or raise its limit`;
  return new RefusedError({ code: "too_large", message: message2, temporary: false, retryAfterMs: void 0 }, key);
}
var LOST = "the connection was lost before the answer";
var MAX_COUNT = 1e3;
var MAX_BYTES = 1024 * 1024;
var MAX_IN_FLIGHT = 256;

// src/protocol/codes.ts
var CloseCode = {
  normal: 1e3,
  abnormal: 1006,
  tokenExpired: 4004,
  disconnected: 4006,
  badMessage: 4500
};
function verdictOf(code) {
  if (code === CloseCode.tokenExpired) return "refresh-token";
  return code >= 4500 && code <= 4999 ? "stop" : "reconnect";
}

// src/protocol/parse.ts
function parseServerMessage(value) {
  const fields = Fields.of(value, "message");
  const type = fields.text("type");
  fields.name = type;
  switch (type) {
    case "connected":
    case "subscribed":
    case "published":
    case "history":
    case "refreshed":
    case "error":
      return { type: "answer", answer: answer(type, fields) };
    case "unsubscribed":
      return fields.has("id") ? { type: "answer", answer: { type, id: fields.integer("id"), sub: fields.integer("sub") } } : push(fields, { type: "refused", error: refusal(fields.inner("error")) });
    case "message":
      return push(fields, message(fields));
    case "page":
      return push(fields, {
        type,
        prev: fields.integer("prev"),
        records: fields.list("messages").map(keptRecord),
        more: fields.boolean("more")
      });
    case "lost":
      return push(fields, { type, from: fields.integer("from"), to: fields.integer("to") });
    case "reset":
      return push(fields, { type, position: position(fields) });
    case "ended":
      return push(fields, { type, seq: fields.integer("seq") });
    case "ping":
      return { type };
    case "disconnect":
      return {
        type,
        code: fields.integer("code", 65535),
        reason: fields.text("reason"),
        retryAfterMs: fields.optional("retry_after_ms")?.integer("retry_after_ms")
      };
    default:
      return void 0;
  }
}
function push(fields, pushed) {
  return { type: "push", sub: fields.integer("sub"), pushed };
}
function answer(type, fields) {
  const id = fields.integer("id");
  switch (type) {
    case "connected":
      return connected(id, fields);
    case "subscribed":
      return { type, id, subscribed: subscribed(fields) };
    case "published": {
      const kept2 = fields.has("epoch") ? position(fields) : void 0;
      return { type, id, position: kept2, duplicate: fields.flag("duplicate") };
    }
    case "history":
      return {
        type,
        id,
        epoch: fields.epoch("epoch"),
        first: fields.integer("first"),
        last: fields.integer("last"),
        messages: fields.list("messages").map(keptRecord),
        more: fields.boolean("more")
      };
    case "refreshed":
      return {
        type,
        id,
        expiresInMs: fields.optional("expires_in_ms")?.integer("expires_in_ms"),
        ticket: fields.optional("ticket")?.text("ticket")
      };
    case "error":
      return { type, id, error: refusal(fields) };
  }
}
function connected(id, fields) {
  return {
    type: "connected",
    id,
    session: fields.text("session"),
    user: fields.optional("user")?.text("user"),
    capabilities: fields.integer("capabilities"),
    pingIntervalMs: fields.integer("ping_interval_ms"),
    pongTimeoutMs: fields.integer("pong_timeout_ms"),
    expiresInMs: fields.optional("expires_in_ms")?.integer("expires_in_ms"),
    reconnectWindowMs: fields.integer("reconnect_window_ms"),
    ticket: fields.optional("ticket")?.text("ticket"),
    limits: limits(fields.inner("limits")),
    subscriptions: fields.list("subscriptions").map((value) => {
      const each = Fields.of(value, "connected.subscriptions");
      return each.has("error") ? { sub: each.integer("sub"), error: refusal(each.inner("error")) } : subscribed(each);
    })
  };
}
function limits(fields) {
  return {
    maxMessageBytes: fields.integer("max_message_bytes"),
    maxSubscriptions: fields.integer("max_subscriptions"),
    publishRate: fields.integer("publish_rate")
  };
}
function subscribed(fields) {
  const begins = { sub: fields.integer("sub"), position: position(fields) };
  const outcome = fields.text("outcome");
  switch (outcome) {
    case "live":
      return { ...begins, outcome };
    case "deltas":
    case "snapshot":
    case "truncated":
      return { ...begins, outcome, after: fields.integer("after") };
    default:
      throw fields.fault("outcome", "live, deltas, snapshot or truncated");
  }
}
function message(fields) {
  if (!fields.has("seq")) return { type: "ephemeral", record: record(fields) };
  const skipped = fields.optional("skipped")?.integer("skipped") ?? 0;
  return { type: "message", prev: fields.integer("prev"), skipped, record: kept(fields) };
}
function keptRecord(value) {
  return kept(Fields.of(value, "record"));
}
function kept(fields) {
  return { ...record(fields), seq: fields.integer("seq") };
}
function record(fields) {
  return {
    seq: void 0,
    time: fields.integer("time"),
    data: fields.content(),
    event: fields.optional("event")?.text("event"),
    publisher: fields.optional("publisher")?.text("publisher")
  };
}
function refusal(fields) {
  return {
    code: fields.text("code"),
    message: fields.text("message"),
    temporary: fields.flag("temporary"),
    retryAfterMs: fields.optional("retry_after_ms")?.integer("retry_after_ms")
  };
}
function position(fields) {
  return { epoch: fields.epoch("epoch"), seq: fields.integer("seq") };
}
var Fields = class _Fields {
  /** How faults name the object. */
  name;
  #values;
  constructor(values, name) {
    this.#values = values;
    this.name = name;
  }
  static of(value, name) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
      throw new ProtocolError(`${name}: expected an object, got ${shown(value)}`);
    }
    return new _Fields(value, name);
  }
  /** Whether the key is there and stands for something: `null` counts as absent. */
  has(key) {
    return (this.#get(key) ?? null) !== null;
  }
  /** These fields, if `key` is among them. */
  optional(key) {
    return this.has(key) ? this : void 0;
  }
  inner(key) {
    return _Fields.of(this.#get(key), `${this.name}.${key}`);
  }
  text(key) {
    const value = this.#get(key);
    if (typeof value !== "string") throw this.fault(key, "a text");
    return value;
  }
  integer(key, most = Number.MAX_SAFE_INTEGER) {
    const value = this.#get(key);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > most) {
      throw this.fault(key, `a whole number from 0 to ${most}`);
    }
    return value;
  }
  boolean(key) {
    const value = this.#get(key);
    if (typeof value !== "boolean") throw this.fault(key, "true or false");
    return value;
  }
  /** A boolean that is left out when it is false. */
  flag(key) {
    return this.has(key) && this.boolean(key);
  }
  list(key) {
    const value = this.#get(key);
    if (!Array.isArray(value)) throw this.fault(key, "a list");
    return value;
  }
  epoch(key) {
    const value = this.text(key);
    if (!EPOCH2.test(value)) throw this.fault(key, "16 hexadecimal digits");
    return value;
  }
  /** What was published: `data`, or `base64` for bytes in JSON. */
  content() {
    if (Object.hasOwn(this.#values, "data")) return this.#get("data");
    const base64 = this.text("base64");
    try {
      return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    } catch {
      throw this.fault("base64", "base64 text");
    }
  }
  fault(key, expected) {
    return new ProtocolError(`${this.name}.${key}: expected ${expected}, got ${shown(this.#get(key))}`);
  }
  #get(key) {
    return Object.hasOwn(this.#values, key) ? this.#values[key] : void 0;
  }
};
function shown(value) {
  if (value === void 0) return "nothing";
  if (ArrayBuffer.isView(value)) return "bytes";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}
var EPOCH2 = /^[0-9a-f]{16}$/i;
var SHOWN_LENGTH = 60;

// src/version.ts
var SOFTWARE = "longwire-typescript/0.1.0";

// src/connection/calls.ts
var Calls = class {
  #waiting = /* @__PURE__ */ new Map();
  #last = 0;
  /** An id that no command has had. */
  nextId() {
    this.#last += 1;
    return this.#last;
  }
  /** Has `done` called with the answer to the command `id`. */
  expect(id, done) {
    this.#waiting.set(id, done);
  }
  /** Gives an answer to whoever waits for it. One that nobody waits for is dropped. */
  answer(answer2) {
    const done = this.#waiting.get(answer2.id);
    this.#waiting.delete(answer2.id);
    done?.(answer2);
  }
  /** The answer to `id` is no longer wanted. */
  forget(id) {
    this.#waiting.delete(id);
  }
  /** The connection went: no answer will come. */
  clear() {
    this.#waiting.clear();
  }
};

// src/connection/credentials.ts
var Credentials = class {
  #clock;
  #source;
  #ticket;
  #flight;
  constructor(clock, source) {
    this.#clock = clock;
    this.#source = source;
  }
  /** Whether a fresh token can be had. */
  get canRefresh() {
    return typeof this.#source === "function";
  }
  /** What can be presented without asking anybody; `undefined` if the callback must be asked. */
  atHand() {
    if (this.#ticket !== void 0) return { ticket: this.#ticket };
    if (typeof this.#source === "function") return void 0;
    return this.#source === void 0 ? {} : { token: this.#source };
  }
  /** Keeps a ticket in place of the one before. */
  keep(ticket) {
    this.#ticket = ticket ?? this.#ticket;
  }
  dropTicket() {
    this.#ticket = void 0;
  }
  /**
   * Asks the callback, or waits for the call that is under way. Resolves with `null` if there is no token, rejects with a
   * `TokenError` if it fails or takes more than 30 s.
   */
  fresh() {
    this.#flight ??= this.#ask().finally(() => {
      this.#flight = void 0;
    });
    return this.#flight;
  }
  async #ask() {
    const source = this.#source;
    if (typeof source !== "function") return source ?? null;
    let timer;
    const late = new Promise((_, reject) => {
      timer = this.#clock.setTimeout(
        () => reject(new TokenError(`the token callback took more than ${PATIENCE_MS / 1e3} s`)),
        PATIENCE_MS
      );
    });
    try {
      const token = await Promise.race([source(), late]);
      if (token === null || typeof token === "string" && token !== "") return token;
      throw new TokenError(`the token callback gave ${typeof token}: give a token, or null if there is none`);
    } catch (error) {
      if (error instanceof TokenError) throw error;
      throw new TokenError(`the token callback failed: ${String(error)}`, { cause: error });
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }
};
var PATIENCE_MS = 3e4;

// src/connection/liveness.ts
var Liveness = class {
  #clock;
  #limit;
  #dead;
  #heardAt = 0;
  #heardAtWall = 0;
  #timer;
  /** Begins. `limit` is in milliseconds; with 0 there is none. */
  constructor(clock, limit, dead) {
    this.#clock = clock;
    this.#limit = limit;
    this.#dead = dead;
    this.heard();
    if (limit > 0) this.#arm(limit);
  }
  /** A message has come. */
  heard() {
    this.#heardAt = this.#clock.monotonic();
    this.#heardAtWall = this.#clock.now();
  }
  /** Looks at the wall clock, which goes on where timers and the other clock sleep. */
  wake() {
    const silent = this.#clock.now() - this.#heardAtWall;
    if (this.#limit > 0 && silent > this.#limit) this.#dead(silent);
  }
  stop() {
    this.#clock.clearTimeout(this.#timer);
  }
  #arm(delay) {
    this.#timer = this.#clock.setTimeout(() => {
      const silent = this.#clock.monotonic() - this.#heardAt;
      if (silent >= this.#limit) this.#dead(silent);
      else this.#arm(this.#limit - silent);
    }, delay);
  }
};

// src/connection/refresher.ts
var Refresher = class {
  #clock;
  #credentials;
  #connection;
  #backoff;
  #dueAtWall = Infinity;
  #timer;
  #isBusy = false;
  #isStopped = false;
  constructor(clock, random, credentials, connection) {
    this.#clock = clock;
    this.#credentials = credentials;
    this.#connection = connection;
    this.#backoff = new Backoff(random);
  }
  /** The token expires in so many milliseconds: it is replaced at 80 % of them, and never in a tight circle. */
  expires(inMs) {
    this.#clock.clearTimeout(this.#timer);
    this.#dueAtWall = Infinity;
    if (inMs !== void 0 && this.#credentials.canRefresh) this.#schedule(Math.max(inMs * SHARE, BASE_MS));
  }
  /** Replaces it now. */
  now() {
    if (this.#isBusy || this.#isStopped || !this.#credentials.canRefresh) return;
    this.#isBusy = true;
    this.#clock.clearTimeout(this.#timer);
    this.#credentials.fresh().then(
      (token) => {
        if (token === null) this.#connection.signedOut();
        else if (!this.#isStopped) this.#send(token);
      },
      (error) => this.#isStopped || this.#failed(error)
    );
  }
  /** Replaces it now if a sleep has made that late. */
  wake() {
    if (this.#clock.now() >= this.#dueAtWall) this.now();
  }
  stop() {
    this.#isStopped = true;
    this.#clock.clearTimeout(this.#timer);
  }
  #send(token) {
    this.#connection.refresh(token, (answer2) => {
      this.#isBusy = false;
      if (answer2.type === "refreshed") {
        this.#backoff.reset();
        this.#credentials.keep(answer2.ticket);
        this.expires(answer2.expiresInMs);
      } else if (answer2.type === "error" && answer2.error.temporary) {
        this.#schedule(this.#backoff.delay(answer2.error.retryAfterMs));
      } else {
        this.expires(void 0);
      }
    });
  }
  #failed(error) {
    this.#isBusy = false;
    this.#connection.failed(error);
    this.#schedule(this.#backoff.next());
  }
  #schedule(delay) {
    this.#clock.clearTimeout(this.#timer);
    this.#dueAtWall = this.#clock.now() + delay;
    const dueAt = this.#clock.monotonic() + delay;
    const look = () => {
      const left = dueAt - this.#clock.monotonic();
      if (left > 0) this.#timer = this.#clock.setTimeout(look, left);
      else this.now();
    };
    this.#timer = this.#clock.setTimeout(look, delay);
  }
};
var SHARE = 0.8;

// src/connection/transport.ts
var Transport = class {
  #socket;
  #isOpen = false;
  #events;
  /** Begins to open it. Throws what the class throws for a URL that it does not take. */
  constructor(WebSocket, url, codec, events) {
    const socket = new WebSocket(url, [codec.subprotocol]);
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#isOpen = true;
      this.#events?.opened();
    };
    socket.onmessage = (event) => this.#read(codec, event.data);
    socket.onclose = (event) => this.#end(event.code, event.reason);
    socket.onerror = () => {
      if (!this.#isOpen) this.#end(CloseCode.abnormal, "");
    };
  }
  /** Sends a frame. It must be open; one that has just ended drops it. */
  send(frame) {
    try {
      this.#socket.send(frame);
    } catch {
    }
  }
  /** Closes it. Whatever still comes is not told. */
  close(code) {
    this.#events = void 0;
    try {
      if (code === CloseCode.normal) this.#socket.close(code);
      else this.#socket.close();
    } catch {
    }
  }
  #end(code, reason) {
    const told = this.#events;
    this.#events = void 0;
    told?.ended(code, reason);
  }
  #read(codec, data) {
    try {
      for (const value of codec.decode(frameOf(data))) this.#events?.received(value);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#events?.unreadable(error);
    }
  }
};
function frameOf(data) {
  if (typeof data === "string" || data instanceof ArrayBuffer) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).buffer;
  }
  throw new ProtocolError("a frame is neither text nor an ArrayBuffer: the WebSocket class ignores `binaryType`");
}

// src/connection/connection.ts
var Connection = class {
  #parts;
  #user;
  #calls = new Calls();
  #credentials;
  #backoff;
  #state = "idle";
  #cause;
  /** Counts attempts, so that a token that comes too late is known. */
  #attempt = 0;
  #presented = {};
  #transport;
  /** The id of `connect`, once it is sent. */
  #greeting;
  #open;
  /** Of the attempt's patience, or of the waiting. */
  #timer;
  constructor(parts, user) {
    this.#parts = parts;
    this.#user = user;
    this.#credentials = new Credentials(parts.clock, parts.token);
    this.#backoff = new Backoff(parts.random);
  }
  get state() {
    return this.#state;
  }
  /** Why it is `closed`. */
  get cause() {
    return this.#cause;
  }
  /** What `connected` said, while it is open. */
  get connected() {
    return this.#open?.connected;
  }
  /** Begins, if nothing has begun yet. */
  connect() {
    if (this.#state === "idle") this.#begin();
  }
  /** Drops the transport, as if it had ended without a word. */
  drop() {
    if (this.#transport !== void 0) this.#lose(new LostError("disconnect() was called", CloseCode.abnormal));
  }
  /** Looks at the wall clock, since timers may have slept; ends the waiting. */
  wake() {
    if (this.#state === "waiting") return this.#begin();
    this.#open?.liveness.wake();
    this.#open?.refresher.wake();
  }
  /** Whether what was refused may succeed later. A token that has expired is replaced, if another can be had. */
  isTemporary(refusal2) {
    const isExpired = refusal2.code === "token_expired" && this.#credentials.canRefresh;
    if (isExpired) this.#open?.refresher.now();
    return refusal2.temporary || isExpired;
  }
  /** For good. */
  close(cause) {
    if (this.#state === "closed") return;
    this.#cause = cause;
    this.#enter("closed", { cause }, CloseCode.normal);
  }
  nextId() {
    return this.#calls.nextId();
  }
  /** Sends a command, if it is open. `done` is not called if the connection goes first. */
  call(command, done) {
    if (this.#state !== "open") return;
    if ("id" in command) this.#calls.expect(command.id, done);
    this.#transport?.send("frame" in command ? command.frame : this.#parts.codec.encode(command));
  }
  /** The answer to `id` is no longer wanted. */
  forget(id) {
    this.#calls.forget(id);
  }
  #begin(cause) {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#enter("connecting", cause === void 0 ? {} : { cause });
    if (this.#attempt !== attempt) return;
    const presented = this.#credentials.atHand();
    if (presented !== void 0) return this.#dial(presented);
    this.#credentials.fresh().then(
      (token) => {
        if (this.#attempt !== attempt) return;
        if (token === null) this.#signedOut();
        else this.#dial({ token });
      },
      (error) => {
        if (this.#attempt !== attempt) return;
        this.#lose(error);
        this.#user.failed(error);
      }
    );
  }
  #dial(presented) {
    const { WebSocket, url, codec, clock } = this.#parts;
    this.#presented = presented;
    let transport;
    try {
      transport = new Transport(WebSocket, url, codec, {
        opened: () => this.#greet(),
        received: (value) => this.#receive(value),
        unreadable: (error) => this.#lose(error),
        ended: (code, reason) => this.#ended({ code, reason, retryAfterMs: void 0 })
      });
    } catch (error) {
      const words = `a connection to ${url} cannot even be tried: ${String(error)}`;
      return this.close(new ClosedError(CloseCode.normal, words, { cause: error }));
    }
    this.#transport = transport;
    this.#timer = clock.setTimeout(
      () => this.#lose(new LostError(`no answer from ${url} within ${PATIENCE_MS2 / 1e3} s: ${CHECK}`, CloseCode.abnormal)),
      PATIENCE_MS2
    );
  }
  #greet() {
    const subscriptions = this.#user.greet();
    this.#greeting = this.#calls.nextId();
    const connect = {
      type: "connect",
      id: this.#greeting,
      capabilities: Capability.pages | Capability.pings | Capability.tickets,
      ...this.#presented,
      client: SOFTWARE,
      ...subscriptions.length > 0 && { subscriptions }
    };
    this.#transport?.send(this.#parts.codec.encode(connect));
  }
  #receive(value) {
    this.#open?.liveness.heard();
    const message2 = parseServerMessage(value);
    if (message2 === void 0) return;
    if (message2.type === "disconnect") this.#ended(message2);
    else if (this.#state === "open") this.#handle(message2);
    else if (message2.type === "answer" && message2.answer.type === "connected") this.#opened(message2.answer);
  }
  #handle(message2) {
    switch (message2.type) {
      case "ping":
        return this.#transport?.send(this.#parts.codec.encode({ type: "pong" }));
      case "push":
        return this.#user.pushed(message2.sub, message2.pushed);
      case "answer":
        if (message2.answer.type !== "connected") this.#calls.answer(message2.answer);
    }
  }
  #opened(connected2) {
    if (connected2.id !== this.#greeting) return;
    const { clock, random } = this.#parts;
    const limit = connected2.pingIntervalMs > 0 ? connected2.pingIntervalMs + connected2.pongTimeoutMs : 0;
    const open = {
      connected: connected2,
      since: clock.monotonic(),
      liveness: new Liveness(
        clock,
        limit,
        (silentMs) => this.#lose(new LostError(`nothing came for ${Math.round(silentMs / 1e3)} s: the network may be gone`, CloseCode.abnormal))
      ),
      refresher: new Refresher(clock, random, this.#credentials, {
        refresh: (token, done) => this.#refresh(token, done),
        signedOut: () => this.#signedOut(),
        failed: (error) => this.#user.failed(error)
      })
    };
    this.#clearTimer();
    this.#open = open;
    this.#credentials.keep(connected2.ticket);
    open.refresher.expires(connected2.expiresInMs);
    const from = this.#state;
    this.#state = "open";
    this.#user.changed("open", { from });
    if (this.#open === open) this.#user.opened(connected2);
  }
  #refresh(token, done) {
    this.call({ type: "refresh", id: this.#calls.nextId(), token }, (answer2) => {
      if (answer2.type === "refreshed") this.#presented = { token };
      done(answer2);
    });
  }
  /** The transport has ended, or will: the code says what follows. */
  #ended({ code, reason, retryAfterMs }) {
    const verdict = verdictOf(code);
    const refusesTicket = this.#refusesTicket(code);
    if (refusesTicket || verdict === "refresh-token") this.#credentials.dropTicket();
    const closed = new ClosedError(code, reason);
    this.#settle();
    if (refusesTicket) {
      this.#backoff.count();
      return this.#begin(closed);
    }
    if (verdict === "stop") return this.close(closed);
    if (verdict === "refresh-token" && !this.#credentials.canRefresh) return this.close(closed);
    const words = code === CloseCode.abnormal ? "the connection could not be made, or broke" : `closed with ${code}`;
    const lost = new LostError(reason === "" ? words : `${words}: ${reason}`, code);
    if (verdict === "refresh-token" && this.#backoff.isFresh) {
      this.#backoff.count();
      this.#begin(lost);
    } else {
      this.#lose(lost, retryAfterMs);
    }
  }
  /** Whether a token, or nothing, may do where the ticket did not. */
  #refusesTicket(code) {
    if (this.#presented.ticket === void 0) return false;
    return code === CloseCode.tokenExpired || this.#open === void 0 && REFUSES_A_TICKET.includes(code);
  }
  /** The next attempt comes later. */
  #lose(cause, retryAfterMs) {
    this.#settle();
    const window = this.#open?.connected.reconnectWindowMs;
    const isFirst = retryAfterMs === void 0 && window !== void 0 && this.#backoff.isFresh;
    const delayMs = isFirst ? this.#backoff.within(Math.min(window, LONGEST_TOLD_MS)) : this.#backoff.delay(retryAfterMs);
    this.#enter("waiting", { cause, delayMs });
    if (this.#state === "waiting") {
      this.#timer = this.#parts.clock.setTimeout(() => this.#begin(), delayMs);
    }
  }
  /** A connection that was open for long enough makes up for the failures before it. */
  #settle() {
    const { clock } = this.#parts;
    if (this.#open !== void 0 && clock.monotonic() - this.#open.since >= SETTLED_MS) this.#backoff.reset();
  }
  #signedOut() {
    this.close(new ClosedError(CloseCode.normal, "the token callback says that there is no token"));
  }
  /** Into a state without a session: whatever was open is left behind. */
  #enter(state, change, code) {
    const from = this.#state;
    const wasGreeted = this.#greeting !== void 0;
    this.#attempt += state === "connecting" ? 0 : 1;
    this.#clearTimer();
    this.#transport?.close(code);
    this.#transport = void 0;
    this.#greeting = void 0;
    this.#open?.liveness.stop();
    this.#open?.refresher.stop();
    this.#open = void 0;
    this.#calls.clear();
    this.#state = state;
    if (wasGreeted && state !== "closed") this.#user.lost();
    if (this.#state === state) this.#user.changed(state, { from, ...change });
  }
  #clearTimer() {
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = void 0;
  }
};
var PATIENCE_MS2 = 2e4;
var CHECK = "check that it leads to a Longwire server";
var SETTLED_MS = 5e3;
var REFUSES_A_TICKET = [4501, 4502];

// src/connection/wake.ts
function currentPage() {
  const { document } = globalThis;
  return { window: typeof globalThis.addEventListener === "function" ? globalThis : void 0, document };
}
function watchWake(clock, page, wake) {
  const stops = [watchClock(clock, wake)];
  const listen = (target, event, listener) => {
    target?.addEventListener(event, listener);
    stops.push(() => target?.removeEventListener(event, listener));
  };
  listen(page.window, "online", wake);
  listen(page.window, "pageshow", wake);
  listen(page.document, "resume", wake);
  listen(page.document, "visibilitychange", () => {
    if (page.document?.visibilityState !== "hidden") wake();
  });
  return () => {
    for (const stop of stops) stop();
  };
}
function watchClock(clock, wake) {
  const ahead = () => clock.now() - clock.monotonic();
  let last = ahead();
  let timer;
  const look = () => {
    const slept = ahead() - last;
    last += slept;
    timer = clock.setTimeout(look, LOOK_EACH_MS);
    if (slept >= LEAST_MS) wake();
  };
  timer = clock.setTimeout(look, LOOK_EACH_MS);
  return () => clock.clearTimeout(timer);
}
var LOOK_EACH_MS = 5e3;
var LEAST_MS = 5e3;

// src/events.ts
var Emitter = class {
  #listeners = /* @__PURE__ */ new Map();
  /** Calls `listener` at each `event`, until the returned function is called. */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? /* @__PURE__ */ new Set();
    this.#listeners.set(event, listeners);
    const entry = (...args) => listener(...args);
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }
  /** Whether anybody listens to `event`. */
  has(event) {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }
  /** Calls the listeners in the order in which they were added. One that throws keeps no other from its call. */
  emit(event, ...args) {
    for (const listener of [...this.#listeners.get(event) ?? []]) {
      try {
        listener(...args);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
};
function reportUncaught(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else queueMicrotask(() => {
    throw error;
  });
}

// src/clock.ts
var systemClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, delay) => setTimeout(callback, Math.min(delay, LONGEST_DELAY)),
  clearTimeout: (timer) => clearTimeout(timer)
};
var LONGEST_DELAY = 2 ** 31 - 1;

// src/codec/cbor.ts
var cborCodec = {
  subprotocol: "longwire.v1.cbor",
  encode(message2) {
    return encodeCbor(message2);
  },
  decode(frame) {
    if (typeof frame === "string") throw new ProtocolError("a text frame where the subprotocol has binary alone");
    const value = decodeCbor(new Uint8Array(frame));
    return Array.isArray(value) ? value : [value];
  }
};
function encodeCbor(value) {
  const writer = new Writer();
  writer.item(value);
  return writer.written();
}
function decodeCbor(bytes) {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  reader.end();
  return value;
}
var Major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 };
var Writer = class {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  written() {
    return this.#bytes.slice(0, this.#length);
  }
  item(value) {
    switch (typeof value) {
      case "number":
        return this.#number(value);
      case "string": {
        const utf8 = new TextEncoder().encode(value);
        this.#head(Major.text, utf8.length);
        return this.#append(utf8);
      }
      case "boolean":
        return this.#byte(value ? TRUE : FALSE);
      case "object":
        return this.#object(value);
      default:
        throw new TypeError(`${typeof value} is no CBOR item`);
    }
  }
  #object(value) {
    if (value === null) return this.#byte(NULL);
    if (value instanceof Uint8Array) {
      this.#head(Major.bytes, value.length);
      return this.#append(value);
    }
    if (Array.isArray(value)) {
      this.#head(Major.array, value.length);
      for (const item of value) this.item(item);
      return;
    }
    const entries = Object.entries(value).filter(([, item]) => item !== void 0);
    this.#head(Major.map, entries.length);
    for (const [key, item] of entries) {
      this.item(key);
      this.item(item);
    }
  }
  #number(value) {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(Major.unsigned, value);
      else this.#head(Major.negative, -1 - value);
      return;
    }
    this.#float(value);
  }
  /** The shortest float that has the value. */
  #float(value) {
    this.#reserve(9);
    const at = this.#length;
    const half = toFloat16(value);
    if (half !== void 0) {
      this.#view.setUint8(at, FLOAT16);
      this.#view.setUint16(at + 1, half);
      this.#length += 3;
    } else if (Math.fround(value) === value) {
      this.#view.setUint8(at, FLOAT32);
      this.#view.setFloat32(at + 1, value);
      this.#length += 5;
    } else {
      this.#view.setUint8(at, FLOAT64);
      this.#view.setFloat64(at + 1, value);
      this.#length += 9;
    }
  }
  /** The head of an item: its major type and its argument, in the shortest form (section 4.1). */
  #head(major, argument) {
    const type = major << 5;
    this.#reserve(9);
    const at = this.#length;
    if (argument < 24) {
      this.#view.setUint8(at, type | argument);
      this.#length += 1;
    } else if (argument < 2 ** 8) {
      this.#view.setUint8(at, type | 24);
      this.#view.setUint8(at + 1, argument);
      this.#length += 2;
    } else if (argument < 2 ** 16) {
      this.#view.setUint8(at, type | 25);
      this.#view.setUint16(at + 1, argument);
      this.#length += 3;
    } else if (argument < 2 ** 32) {
      this.#view.setUint8(at, type | 26);
      this.#view.setUint32(at + 1, argument);
      this.#length += 5;
    } else {
      this.#view.setUint8(at, type | 27);
      this.#view.setBigUint64(at + 1, BigInt(argument));
      this.#length += 9;
    }
  }
  #byte(byte) {
    this.#reserve(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }
  #append(bytes) {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  #reserve(count) {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
};
var Reader = class {
  #bytes;
  #view;
  #at = 0;
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  end() {
    if (this.#at < this.#bytes.length) throw this.#fault(`${this.#bytes.length - this.#at} bytes behind the item`);
  }
  item(depth) {
    if (depth > MAX_DEPTH) throw this.#fault(`nested more than ${MAX_DEPTH} deep`);
    const first = this.#view.getUint8(this.#take(1));
    const major = first >> 5;
    const low = first & 31;
    switch (major) {
      case Major.unsigned:
        return this.#argument(low);
      case Major.negative:
        return -1 - this.#argument(low);
      case Major.bytes:
        return low === INDEFINITE ? concatenated(this.#chunks(major)) : this.#string(this.#argument(low)).slice();
      case Major.text:
        return low === INDEFINITE ? this.#chunks(major).map(textOf).join("") : this.#text(this.#argument(low));
      case Major.array:
        return this.#array(low, depth);
      case Major.map:
        return this.#map(low, depth);
      case Major.tag:
        this.#argument(low);
        return this.item(depth + 1);
      default:
        return this.#simple(low);
    }
  }
  #array(low, depth) {
    const items = [];
    for (const left = this.#counter(low); left(); ) items.push(this.item(depth + 1));
    return items;
  }
  #map(low, depth) {
    const entries = [];
    for (const left = this.#counter(low); left(); ) {
      const key = this.item(depth + 1);
      if (typeof key !== "string") throw this.#fault("a key that is no text");
      entries.push([key, this.item(depth + 1)]);
    }
    return Object.fromEntries(entries);
  }
  #simple(low) {
    switch (low) {
      case FALSE & 31:
        return false;
      case TRUE & 31:
        return true;
      case NULL & 31:
      case UNDEFINED & 31:
        return null;
      case FLOAT16 & 31:
        return fromFloat16(this.#view.getUint16(this.#take(2)));
      case FLOAT32 & 31:
        return this.#view.getFloat32(this.#take(4));
      case FLOAT64 & 31:
        return this.#view.getFloat64(this.#take(8));
      default:
        throw this.#fault("a simple value that JSON does not have");
    }
  }
  /** The argument in a head: as exact as a number can be. */
  #argument(low) {
    if (low < 24) return low;
    switch (low) {
      case 24:
        return this.#view.getUint8(this.#take(1));
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27:
        return Number(this.#view.getBigUint64(this.#take(8)));
      default:
        throw this.#fault("a head that is not well-formed");
    }
  }
  /** Says before each element of an array or a map whether there is one more. */
  #counter(low) {
    if (low === INDEFINITE) return () => !this.#takeBreak();
    let left = this.#argument(low);
    return () => left-- > 0;
  }
  /** The pieces of a string of indefinite length (section 3.2.3). */
  #chunks(major) {
    const chunks = [];
    while (!this.#takeBreak()) {
      const first = this.#view.getUint8(this.#take(1));
      if (first >> 5 !== major) throw this.#fault("a piece of another type in a string");
      chunks.push(this.#string(this.#argument(first & 31)));
    }
    return chunks;
  }
  #takeBreak() {
    const isBreak = this.#bytes[this.#at] === BREAK;
    if (isBreak) this.#at += 1;
    return isBreak;
  }
  #text(length) {
    return textOf(this.#string(length));
  }
  #string(length) {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }
  /** Where the next `count` bytes begin. */
  #take(count) {
    const start = this.#at;
    if (count > this.#bytes.length - start) throw this.#fault("it ends in the middle of an item");
    this.#at += count;
    return start;
  }
  #fault(what) {
    return new ProtocolError(`a frame is no CBOR that this protocol has, at byte ${this.#at}: ${what}`);
  }
};
function textOf(utf8) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(utf8);
  } catch {
    throw new ProtocolError("a frame has a text that is no UTF-8");
  }
}
function concatenated(chunks) {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
function toFloat16(value) {
  const sign = value < 0 || Object.is(value, -0) ? 32768 : 0;
  const size = Math.abs(value);
  const exponent = size < 2 ** -14 ? 0 : Math.floor(Math.log2(size)) + 15;
  if (exponent > 30) return void 0;
  const mantissa = exponent === 0 ? size * 2 ** 24 : size / 2 ** (exponent - 25) - 1024;
  const half = sign | exponent << 10 | mantissa;
  return Number.isInteger(mantissa) && Object.is(fromFloat16(half), value) ? half : void 0;
}
function fromFloat16(half) {
  const exponent = half >> 10 & 31;
  const mantissa = half & 1023;
  const sign = half & 32768 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}
var FALSE = 244;
var TRUE = 245;
var NULL = 246;
var UNDEFINED = 247;
var FLOAT16 = 249;
var FLOAT32 = 250;
var FLOAT64 = 251;
var BREAK = 255;
var INDEFINITE = 31;
var MAX_DEPTH = 200;

// src/codec/json.ts
var jsonCodec = {
  subprotocol: "longwire.v1.json",
  encode(message2) {
    if (message2.type !== "publish" || !(message2.data instanceof Uint8Array)) return JSON.stringify(message2);
    const { type, id, channel, data, ...rest } = message2;
    return JSON.stringify({ type, id, channel, base64: base64Of(data), ...rest });
  },
  decode(frame) {
    if (typeof frame !== "string") throw new ProtocolError("a binary frame where the subprotocol has text alone");
    let value;
    try {
      value = JSON.parse(frame);
    } catch (error) {
      throw new ProtocolError(`a frame is no JSON: ${String(error)}`);
    }
    return Array.isArray(value) ? value : [value];
  }
};
function base64Of(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}
var CHUNK = 8192;

// src/options.ts
function settingsOf(url, options) {
  const { codec = "json", WebSocket = globalThis.WebSocket } = options;
  if (WebSocket === void 0) {
    throw new TypeError("there is no global WebSocket: pass one as the option `WebSocket`, in Node 20 that of `ws` or `undici`");
  }
  if (codec !== "json" && codec !== "cbor") throw new TypeError(`codec ${JSON.stringify(codec)}: give "json" or "cbor"`);
  return {
    url: webSocketUrl(url),
    token: options.token,
    codec: codec === "json" ? jsonCodec : cborCodec,
    WebSocket,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom
  };
}
function webSocketUrl(url) {
  const page = globalThis.location;
  let absolute;
  try {
    absolute = new URL(url, page?.href);
  } catch (cause) {
    throw new TypeError(`the URL ${JSON.stringify(String(url))}: give one like "wss://example.com/v1/connect"`, { cause });
  }
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  absolute.hash = "";
  if (!/^wss?:$/.test(absolute.protocol)) throw new TypeError(`the URL ${absolute.href}: it must begin with ws: or wss:`);
  return absolute.href;
}

// src/protocol/json.ts
function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  if (!ArrayBuffer.isView(value)) return void 0;
  return new Uint8Array(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}
function jsonOf(value) {
  const copied = copy(value, "", "data", 0);
  if (copied === void 0) throw new TypeError(`data: ${typeof value} is no JSON value; for nothing, use null`);
  return copied;
}
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "�");
}
function copy(value, key, path, depth) {
  switch (typeof value) {
    case "string":
      return wellFormed(value);
    case "number":
      return Number.isFinite(value) ? value : null;
    case "boolean":
      return value;
    case "bigint":
      throw new TypeError(`${path}: JSON has no bigint; use a number, or a text`);
    case "object":
      return value === null ? null : copyObject(value, key, path, depth);
    default:
      return void 0;
  }
}
function copyObject(value, key, path, depth) {
  if (depth >= MAX_DEPTH2) {
    throw new TypeError(`data: nested more than ${MAX_DEPTH2} deep, or in a circle; make it flatter`);
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    throw new TypeError(`${path}: bytes can be the whole content, not a part of it; use base64 text here`);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return copy(value.toJSON(key), key, path, depth + 1);
  if (Array.isArray(value)) {
    return value.map((item, index) => copy(item, String(index), `${path}[${index}]`, depth + 1) ?? null);
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return copy(value.valueOf(), key, path, depth + 1);
  }
  const entries = [];
  for (const [name, item] of Object.entries(value)) {
    const copied = copy(item, name, `${path}.${name}`, depth + 1);
    if (copied !== void 0) entries.push([wellFormed(name), copied]);
  }
  return Object.fromEntries(entries);
}
var MAX_DEPTH2 = 128;

// src/subscription/inbox.ts
var Inbox = class {
  #maxCount;
  #maxBytes;
  #events;
  #items = [];
  #bytes = 0;
  #waiting = /* @__PURE__ */ new Set();
  #loops = 0;
  #end;
  constructor(maxCount, maxBytes, events) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
    this.#events = events;
  }
  /** Whether a loop has begun to take, and is not over. */
  get hasLoops() {
    return this.#loops > 0;
  }
  get isFull() {
    return this.#items.length >= this.#maxCount || this.#bytes >= this.#maxBytes;
  }
  get isHalfFree() {
    return this.#items.length <= this.#maxCount / 2 && this.#bytes <= this.#maxBytes / 2;
  }
  /** Puts an event behind the others, also if it is full: whoever fills it looks at `isFull`. */
  push(event, bytes) {
    this.#items.push({ event, bytes });
    this.#bytes += bytes;
    this.#wakeAll();
  }
  shift() {
    const item = this.#items.shift();
    if (item === void 0) return void 0;
    this.#bytes -= item.bytes;
    this.#events.taken();
    return item.event;
  }
  /** Nothing follows what is in it; loops then end, or throw the error. */
  end(error) {
    this.#end ??= { error };
    this.#wakeAll();
  }
  /** Drops what is in it. */
  clear() {
    this.#items = [];
    this.#bytes = 0;
  }
  /** Takes what `pick` makes something of; the rest is dropped on the way. The loop begins with the first `next`. */
  iterate(pick) {
    let state = "new";
    const finish = () => {
      const wasBegun = state === "begun";
      state = "over";
      if (wasBegun) {
        this.#loops -= 1;
        this.#wakeAll();
        this.#events.left();
      }
      return { done: true, value: void 0 };
    };
    const next = async () => {
      if (state === "new") {
        state = "begun";
        this.#loops += 1;
      }
      while (state !== "over") {
        for (let event = this.shift(); event !== void 0; event = this.shift()) {
          const picked = pick(event);
          if (picked !== void 0) return { done: false, value: picked };
        }
        if (this.#end !== void 0) {
          const { error } = this.#end;
          finish();
          if (error !== void 0) throw error;
        } else {
          await new Promise((wake) => this.#waiting.add(wake));
        }
      }
      return finish();
    };
    const iterator = {
      next,
      return: async () => finish(),
      [Symbol.asyncIterator]: () => iterator
    };
    return iterator;
  }
  #wakeAll() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
};

// src/subscription/size.ts
function contentSize(content) {
  let size = 0;
  const rest = [content];
  for (let item = rest.pop(); item !== void 0; item = rest.pop()) {
    if (typeof item === "string") {
      size += 2 * item.length;
    } else if (item instanceof Uint8Array) {
      size += item.byteLength;
    } else {
      size += WORD;
      if (typeof item === "object" && item !== null) size += takeApart(item, rest);
    }
  }
  return size;
}
function takeApart(whole, rest) {
  let size = 0;
  if (Array.isArray(whole)) {
    for (const item of whole) rest.push(item);
  } else {
    for (const [key, item] of Object.entries(whole)) {
      size += 2 * key.length + WORD;
      rest.push(item);
    }
  }
  return size;
}
var WORD = 8;

// src/subscription/track.ts
var Track = class {
  #counters;
  #tell;
  #position;
  /** The outcome said that records follow up to this `seq`. */
  #target = 0;
  #standing = "recovering";
  /** Records that the policy passed over since the last one; the next one tells them. */
  #passed = 0;
  /** The last page said that others follow. */
  #hasMore = false;
  constructor(position2, counters, tell) {
    this.#position = position2;
    this.#counters = counters;
    this.#tell = tell;
  }
  /** That of the last record, or the place to begin behind. */
  get position() {
    return this.#position;
  }
  /** The server's answer to `subscribe`. */
  begin(subscribed2) {
    const { epoch, seq } = subscribed2.position;
    const base = subscribed2.outcome === "live" ? seq : subscribed2.after;
    const before = this.#position;
    this.#target = seq;
    this.#hasMore = false;
    if (before === void 0) {
      this.#position = { epoch, seq: base };
      if (subscribed2.outcome === "truncated") this.#lose(epoch, 0, base);
    } else if (before.epoch !== epoch) {
      this.#reset({ epoch, seq: base });
      this.#lose(epoch, 0, base);
    } else if (seq < before.seq) {
      this.#reset({ epoch, seq: base });
    } else if (base > before.seq) {
      this.#position = { epoch, seq: base };
      if (subscribed2.outcome === "snapshot") this.#passed += base - before.seq;
      else this.#lose(epoch, before.seq, base);
    }
    this.#standing = this.#last >= seq ? "live" : "recovering";
    return this.#standing;
  }
  /** A push. There must have been an outcome. */
  push(pushed) {
    switch (pushed.type) {
      case "message":
        return this.#take(pushed.prev, pushed.record, pushed.skipped) ? this.#caughtUp() : "gap";
      case "ephemeral":
        this.#deliver(pushed.record, 0);
        return this.#standing;
      case "page":
        return this.#page(pushed.prev, pushed.records, pushed.more);
      case "lost":
        if (pushed.to <= this.#last) return this.#standing;
        if (pushed.from > this.#last) return "gap";
        return this.#skip(pushed.to);
      case "reset":
        return this.#newEpoch(pushed.position);
      case "ended":
        if (pushed.seq > this.#last) return "gap";
        this.#tell({ type: "ended", seq: pushed.seq });
        return "ended";
    }
  }
  #page(prev, records, more) {
    let before = prev;
    if (records.length === 0 && before > this.#last) return "gap";
    for (const record2 of records) {
      if (!this.#take(before, record2, 0)) return "gap";
      before = record2.seq;
    }
    this.#hasMore = more;
    this.#standing = more ? "recovering" : "live";
    return this.#standing;
  }
  /** A record whose predecessor is `prev`. False: there is a gap before it. */
  #take(prev, record2, skipped) {
    if (record2.seq <= this.#last) {
      this.#counters.doubled += 1;
      return true;
    }
    if (prev > this.#last) return false;
    this.#position = { epoch: this.#epoch, seq: record2.seq };
    this.#deliver(record2, skipped + this.#passed);
    this.#passed = 0;
    return true;
  }
  #skip(to) {
    const from = this.#last;
    this.#position = { epoch: this.#epoch, seq: to };
    this.#lose(this.#epoch, from, to);
    return this.#hasMore ? this.#standing : this.#caughtUp();
  }
  #newEpoch(position2) {
    if (position2.epoch === this.#epoch) return position2.seq > this.#last ? "gap" : this.#standing;
    this.#reset(position2);
    this.#lose(position2.epoch, 0, position2.seq);
    this.#target = position2.seq;
    this.#standing = "live";
    return this.#standing;
  }
  #caughtUp() {
    if (this.#last >= this.#target) this.#standing = "live";
    return this.#standing;
  }
  #deliver(record2, skipped) {
    this.#counters.received += 1;
    this.#counters.skipped += skipped;
    this.#tell({ type: "message", epoch: this.#epoch, record: record2, skipped });
  }
  #lose(epoch, from, to) {
    if (to <= from) return;
    this.#counters.lost += to - from;
    this.#tell({ type: "lost", epoch, from, to });
  }
  #reset(position2) {
    this.#position = position2;
    this.#passed = 0;
    this.#counters.resets += 1;
    this.#tell({ type: "reset", position: position2 });
  }
  get #last() {
    return this.#position?.seq ?? 0;
  }
  get #epoch() {
    return this.#position?.epoch ?? "";
  }
};

// src/subscription/reader.ts
var Reader2 = class {
  #parts;
  #track;
  #inbox;
  #events = new Emitter();
  /** Between refusals. */
  #backoff;
  /** Between repairs behind which no record came. */
  #repairs;
  #hasRepaired = false;
  /** When the server subscribed it, by the monotonic clock; `Infinity` behind a refusal. */
  #answeredAt = Infinity;
  #state = "subscribing";
  #timer;
  /** Its number on the wire; `undefined` while nothing is subscribed or asked for. */
  #number;
  constructor(parts) {
    const { start } = parts;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.random);
    this.#repairs = new Backoff(parts.random);
    const position2 = start !== void 0 && isPosition(start) ? start : void 0;
    this.#track = new Track(position2, parts.counters, (told) => this.#tell(told));
    this.#inbox = new Inbox(MAX_EVENTS, MAX_BYTES2, { taken: () => this.#resume(), left: () => this.#giveHeld() });
  }
  get channel() {
    return this.#parts.channel;
  }
  get state() {
    return this.#state;
  }
  get position() {
    return this.#track.position;
  }
  get number() {
    return this.#number;
  }
  /** Whether the server should know of it. */
  get wantsToRead() {
    return this.#state === "subscribing";
  }
  /** Whether it can subscribe now: nothing is asked for, and no time is being waited for. */
  get isDue() {
    return this.wantsToRead && this.#number === void 0 && this.#timer === void 0;
  }
  on(event, listener) {
    const remove = this.#events.on(event, listener);
    if (event === "message") queueMicrotask(() => this.#giveHeld());
    return remove;
  }
  [Symbol.asyncIterator]() {
    return this.#inbox.iterate((event) => event.type === "message" ? event.message : void 0);
  }
  events() {
    return this.#inbox.iterate((event) => event);
  }
  unsubscribe() {
    if (this.#isOver) return;
    this.#release();
    this.#state = "ended";
    this.#inbox.clear();
    this.#over(void 0);
  }
  /** The request to subscribe, by this number. */
  request(sub) {
    this.#clearTimer();
    this.#number = sub;
    const start = this.#track.position ?? this.#parts.start;
    const { policy } = this.#parts;
    return { sub, channel: this.channel, ...start && { start }, ...policy && { policy } };
  }
  /** The server's answer. */
  answered(subscribed2) {
    this.#answeredAt = this.#parts.clock.monotonic();
    this.#handle(() => this.#track.begin(subscribed2));
  }
  /** The server did not subscribe, or ended the subscription. */
  refused(refusal2) {
    this.#number = void 0;
    if (this.#parts.clock.monotonic() - this.#answeredAt >= SETTLED_MS2) this.#backoff.reset();
    this.#answeredAt = Infinity;
    const cause = new RefusedError(refusal2);
    if (!this.#parts.line.isTemporary(refusal2)) return this.#fail(cause);
    this.#enter("subscribing", cause);
    this.#subscribeIn(this.#backoff.delay(refusal2.retryAfterMs));
  }
  pushed(pushed) {
    if (this.#state !== "recovering" && this.#state !== "live") return;
    if (pushed.type === "refused") this.refused(pushed.error);
    else this.#handle(() => this.#track.push(pushed));
  }
  connectionLost() {
    this.#number = void 0;
    this.#clearTimer();
    if (this.#state === "recovering" || this.#state === "live") this.#enter("subscribing");
  }
  /** The client is closed: without a cause by the application itself. */
  closed(cause) {
    if (cause === void 0) return this.unsubscribe();
    this.#number = void 0;
    if (!this.#isOver) this.#fail(cause);
  }
  get #isOver() {
    return this.#state === "ended" || this.#state === "failed";
  }
  /** Has the track deal with something that came, and follows it. */
  #handle(step) {
    const number = this.#number;
    const standing = step();
    if (this.#number !== number) return;
    if (standing === "gap") this.#repair();
    else if (standing === "ended") this.#end();
    else this.#enter(standing);
    if (this.#inbox.isFull && !this.#isOver) this.#pause();
  }
  #repair() {
    this.#parts.counters.gaps += 1;
    this.#release();
    this.#enter("subscribing");
    if (this.#hasRepaired) return this.#subscribeIn(this.#repairs.next());
    this.#hasRepaired = true;
    if (this.isDue) this.#parts.line.subscribe(this);
  }
  #pause() {
    this.#parts.counters.paused += 1;
    this.#release();
    this.#clearTimer();
    this.#enter("paused");
  }
  /** The application has taken something. */
  #resume() {
    if (this.#state !== "paused" || !this.#inbox.isHalfFree) return;
    this.#enter("subscribing");
    if (this.isDue) this.#parts.line.subscribe(this);
  }
  #end() {
    this.#number = void 0;
    this.#enter("ended");
    this.#over(void 0);
  }
  #fail(cause) {
    this.#release();
    this.#enter("failed", cause);
    this.#events.emit("error", cause);
    this.#over(cause);
  }
  #over(cause) {
    this.#clearTimer();
    this.#inbox.end(cause);
    this.#parts.line.over(this);
  }
  #release() {
    const number = this.#number;
    this.#number = void 0;
    if (number !== void 0) this.#parts.line.release(number);
  }
  #subscribeIn(delay) {
    this.#clearTimer();
    if (!this.wantsToRead) return;
    this.#timer = this.#parts.clock.setTimeout(() => {
      this.#timer = void 0;
      this.#parts.line.subscribe(this);
    }, delay);
  }
  #clearTimer() {
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = void 0;
  }
  #enter(state, cause) {
    const from = this.#state;
    if (from === state) return;
    this.#state = state;
    const change = cause === void 0 ? { from } : { from, cause };
    this.#hold({ type: "state", state, change }, EVENT_BYTES);
    this.#events.emit("state", state, change);
  }
  #tell(told) {
    this.#giveHeld();
    if (this.#isOver) return;
    switch (told.type) {
      case "message":
        this.#hasRepaired = false;
        this.#repairs.reset();
        return this.#deliver(told.epoch, told.record, told.skipped);
      case "lost": {
        const lost = { epoch: told.epoch, from: told.from, to: told.to };
        this.#hold({ type: "lost", lost }, EVENT_BYTES);
        return this.#events.emit("lost", lost);
      }
      case "reset":
        this.#hold({ type: "reset", position: told.position }, EVENT_BYTES);
        return this.#events.emit("reset", told.position);
      case "ended":
        this.#hold({ type: "ended", seq: told.seq }, EVENT_BYTES);
        return this.#events.emit("ended", { seq: told.seq });
    }
  }
  #deliver(epoch, record2, skipped) {
    let data;
    try {
      data = this.#parts.parse(record2.data);
    } catch (cause) {
      const words = `${this.channel}, record ${record2.seq ?? "(ephemeral)"}: its content was refused: ${String(cause)}`;
      const error = new ContentError(words, { cause });
      this.#hold({ type: "error", error }, EVENT_BYTES);
      return this.#events.emit("error", error);
    }
    const message2 = messageOf(this.channel, epoch, record2, data, skipped);
    if (this.#holds) this.#inbox.push({ type: "message", message: message2 }, EVENT_BYTES + contentSize(record2.data));
    this.#events.emit("message", message2);
  }
  #hold(event, bytes) {
    if (this.#holds) this.#inbox.push(event, bytes);
  }
  /** Whether events wait for a loop, or for the first who takes messages. */
  get #holds() {
    return this.#inbox.hasLoops || !this.#events.has("message");
  }
  /** Gives the messages that were held to the listeners that are there now. */
  #giveHeld() {
    while (!this.#holds) {
      const event = this.#inbox.shift();
      if (event === void 0) return;
      if (event.type === "message") this.#events.emit("message", event.message);
    }
  }
};
var SETTLED_MS2 = 5e3;
var MAX_EVENTS = 1024;
var MAX_BYTES2 = 4 * 1024 * 1024;
var EVENT_BYTES = 200;

// src/subscription/subscriptions.ts
var Subscriptions = class {
  #connection;
  #readers = /* @__PURE__ */ new Set();
  /** Readers by the number that they use on this connection. */
  #numbers = /* @__PURE__ */ new Map();
  /** The numbers that went with `connect`. */
  #greeted = [];
  #lastNumber = 0;
  constructor(connection) {
    this.#connection = connection;
  }
  add(parts) {
    const reader = new Reader2({ ...parts, line: this });
    this.#readers.add(reader);
    this.subscribe(reader);
    return reader;
  }
  /** Those that go with `connect`. */
  greet() {
    const requests = [];
    let bytes = 0;
    for (const reader of this.#readers) {
      if (!reader.wantsToRead) continue;
      bytes += REQUEST_BYTES + reader.channel.length;
      if (bytes > MAX_GREETING_BYTES) break;
      requests.push(reader.request(this.#nextNumber(reader)));
    }
    this.#greeted = requests.map(({ sub }) => sub);
    return requests;
  }
  /** Their outcomes. What `connect` had no room for, or its answer does not mention, is asked for now. */
  opened(connected2) {
    const unmentioned = new Set(this.#greeted);
    for (const outcome of connected2.subscriptions) {
      const reader = this.#numbers.get(outcome.sub);
      unmentioned.delete(outcome.sub);
      if ("error" in outcome) {
        this.#numbers.delete(outcome.sub);
        reader?.refused(outcome.error);
      } else if (reader !== void 0) {
        reader.answered(outcome);
      } else {
        this.release(outcome.sub);
      }
    }
    for (const number of unmentioned) {
      this.#numbers.get(number)?.connectionLost();
      this.#numbers.delete(number);
    }
    for (const reader of [...this.#readers]) {
      if (reader.isDue) this.subscribe(reader);
    }
  }
  pushed(sub, pushed) {
    const reader = this.#numbers.get(sub);
    reader?.pushed(pushed);
    if (reader?.number !== sub) this.#numbers.delete(sub);
  }
  connectionLost() {
    this.#numbers.clear();
    for (const reader of [...this.#readers]) reader.connectionLost();
  }
  /** The client is closed: without a cause by the application itself. */
  closed(cause) {
    for (const reader of [...this.#readers]) reader.closed(cause);
  }
  subscribe(reader) {
    if (this.#connection.state !== "open") return;
    const sub = this.#nextNumber(reader);
    this.#connection.call({ type: "subscribe", id: this.#connection.nextId(), ...reader.request(sub) }, (answer2) => {
      if (this.#numbers.get(sub) !== reader) return;
      if (answer2.type === "subscribed") {
        reader.answered(answer2.subscribed);
      } else if (answer2.type === "error") {
        this.#numbers.delete(sub);
        reader.refused(answer2.error);
      }
    });
  }
  release(sub) {
    this.#numbers.delete(sub);
    this.#connection.call({ type: "unsubscribe", id: this.#connection.nextId(), sub }, () => {
    });
  }
  over(reader) {
    this.#readers.delete(reader);
  }
  isTemporary(refusal2) {
    return this.#connection.isTemporary(refusal2);
  }
  #nextNumber(reader) {
    this.#lastNumber += 1;
    this.#numbers.set(this.#lastNumber, reader);
    return this.#lastNumber;
  }
};
var MAX_GREETING_BYTES = 32 * 1024;
var REQUEST_BYTES = 100;

// src/client.ts
var Client = class {
  #settings;
  #connection;
  #subscriptions;
  #publisher;
  #historian;
  #events = new Emitter();
  #counters = new Counters();
  /** Times that the connection was open. */
  #openings = 0;
  #stopWatching;
  #closing;
  /**
   * Makes a client, which does not connect yet. In a page the URL may be relative: `/v1/connect`. Throws a `TypeError` for a
   * URL or an option that cannot work.
   */
  constructor(url, options = {}) {
    const settings = settingsOf(url, options);
    this.#settings = settings;
    this.#connection = new Connection(settings, {
      greet: () => this.#subscriptions.greet(),
      opened: (connected2) => {
        this.#subscriptions.opened(connected2);
        this.#publisher.send();
        this.#historian.opened();
      },
      pushed: (sub, pushed) => this.#subscriptions.pushed(sub, pushed),
      lost: () => {
        this.#subscriptions.connectionLost();
        this.#publisher.connectionLost();
        this.#historian.connectionLost();
      },
      changed: (state, change) => this.#changed(state, change),
      failed: (error) => this.#events.emit("error", error)
    });
    const parts = { ...settings, connection: this.#connection };
    this.#subscriptions = new Subscriptions(this.#connection);
    this.#publisher = new Publisher(parts);
    this.#historian = new Historian(parts);
  }
  get state() {
    return this.#connection.state;
  }
  /** The session's name, as the server's HTTP API shows it; `undefined` while the connection is not open. */
  get session() {
    return this.#connection.connected?.session;
  }
  /** The user that the token names, if it names one; `undefined` while the connection is not open. */
  get user() {
    return this.#connection.connected?.user;
  }
  /** What the client has counted so far. */
  get stats() {
    return {
      ...this.#counters,
      reconnects: Math.max(0, this.#openings - 1),
      published: this.#publisher.published,
      pending: this.#publisher.pending,
      latency: this.#publisher.latency.snapshot()
    };
  }
  /** Calls `listener` at each `event`, until the returned function is called. */
  on(event, listener) {
    return this.#events.on(event, listener);
  }
  /** Connects now, before anything else is asked. Throws a `ClosedError` if the client is closed. */
  connect() {
    this.#begin();
  }
  subscribe(channel, options = {}) {
    checkChannel(channel);
    const start = wireStart(options.start);
    const policy = checkPolicy(options.policy);
    const parse = "parse" in options ? options.parse : (data) => data;
    const { clock, random } = this.#settings;
    this.#begin();
    return this.#subscriptions.add({ channel, start, policy, parse, clock, random, counters: this.#counters });
  }
  async publish(channel, data, options = {}) {
    checkChannel(channel);
    const { event, timeoutMs, key, ephemeral } = options;
    checkToken("event", event);
    checkToken("key", key);
    checkTime("timeoutMs", timeoutMs);
    if (ephemeral && key !== void 0) throw new TypeError("an ephemeral publication is kept nowhere: it takes no key");
    const content = bytesOf(data) ?? jsonOf(data);
    this.#begin();
    return this.#publisher.publish({ channel, data: content, event, key, ephemeral: ephemeral === true, timeoutMs });
  }
  /**
   * Reads what a channel keeps: a page of it, by default from the first record on. Rejects with a `RefusedError`, a
   * `QueueFullError` (100 questions wait), a `NotAnsweredError`, a `ClosedError`, or a `TypeError`.
   */
  async history(channel, options = {}) {
    checkChannel(channel);
    const { from, since, limit, order, timeoutMs } = options;
    if (from !== void 0 && !isPosition(from)) throw new TypeError(`from ${JSON.stringify(from)}: give {epoch, seq}`);
    if (order !== void 0 && order !== "forwards" && order !== "backwards") {
      throw new TypeError(`order ${JSON.stringify(order)}: give "forwards" or "backwards"`);
    }
    checkTime("since", since);
    checkTime("limit", limit);
    checkTime("timeoutMs", timeoutMs);
    this.#begin();
    return this.#historian.read(channel, {
      ...from !== void 0 && { from: { epoch: from.epoch, seq: from.seq } },
      ...since !== void 0 && { since },
      ...limit !== void 0 && { limit },
      ...order !== void 0 && { order },
      ...timeoutMs !== void 0 && { timeoutMs }
    });
  }
  /**
   * Closes the client, for good. Subscriptions end at once, without an event. Publications and questions that wait get
   * `timeoutMs` more, over lost connections too, before they are given up. Resolves once all is over.
   */
  close({ timeoutMs = CLOSE_PATIENCE_MS } = {}) {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }
  /** Drops the connection, as if it had ended without a word; the client then comes back. For tests and demonstrations. */
  disconnect() {
    this.#connection.drop();
  }
  /**
   * Says that the application may have slept, or that the network came back. The client finds that out by itself in browsers
   * and in Node; elsewhere, call it when the application comes to the foreground.
   */
  wake() {
    this.#connection.wake();
  }
  /** Begins to connect, if nothing has begun. */
  #begin() {
    if (this.#closing !== void 0) throw this.#connection.cause ?? closedByApplication();
    if (this.#connection.cause !== void 0) throw this.#connection.cause;
    this.#stopWatching ??= watchWake(this.#settings.clock, currentPage(), () => this.#connection.wake());
    this.#connection.connect();
  }
  async #close(timeoutMs) {
    this.#subscriptions.closed(void 0);
    const { clock } = this.#settings;
    let timer;
    const late = new Promise((resolve) => {
      timer = clock.setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all([this.#publisher.drain(), this.#historian.drain()]), late]);
    clock.clearTimeout(timer);
    this.#connection.close(closedByApplication());
  }
  #changed(state, change) {
    if (state === "open") this.#openings += 1;
    if (state === "closed") {
      const cause = change.cause ?? closedByApplication();
      this.#stopWatching?.();
      this.#subscriptions.closed(cause);
      this.#publisher.closed(cause);
      this.#historian.closed(cause);
    }
    this.#events.emit("state", state, change);
  }
};
function closedByApplication() {
  return new ClosedError(CloseCode.normal, "close() was called");
}
function checkTime(what, value) {
  if (value !== void 0 && !isCount(value)) throw new TypeError(`${what} ${String(value)}: give a whole number from 0`);
}
var CLOSE_PATIENCE_MS = 5e3;
export {
  Client,
  ClosedError,
  ContentError,
  LostError,
  NotAnsweredError,
  NotSentError,
  ProtocolError,
  QueueFullError,
  RefusedError,
  TokenError,
  UnknownOutcomeError
};
