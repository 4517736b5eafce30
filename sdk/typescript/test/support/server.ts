// `longwire serve` as a process of its own, that can be killed and started again where it was.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const SECRET = "a secret of the tests, which is long enough";
const API_KEY = "an API key of the tests";

const CONFIG = `
[auth]
hmac_secret = "${SECRET}"
api_keys = [{ name = "tests", key = "${API_KEY}" }]

[limits]
publish_rate = 100000

[namespaces.default]
durability = "disk"
access = { subscribe = "user", publish = "user", history = "user" }

[namespaces.memory]
durability = "memory"

[namespaces.short]
durability = "memory"
retention = { count = 10 }

[namespaces.private]
access = { subscribe = "token", publish = "token", history = "token" }
`;

export class Server {
  readonly #folder = mkdtempSync(join(tmpdir(), "longwire-server-"));
  #process: ChildProcess | undefined;
  #output = "";
  #address = "127.0.0.1:0";

  static async start(): Promise<Server> {
    const server = new Server();
    writeFileSync(join(server.#folder, "longwire.toml"), CONFIG);
    await server.start();
    return server;
  }

  /** Where clients connect. */
  get url(): string {
    return `ws://${this.#address}/v1/connect`;
  }

  /** Starts it where it was before. */
  async start(): Promise<void> {
    const program = process.env["LONGWIRE_BIN"];
    assert.ok(program, "LONGWIRE_BIN must be the path of the binary `longwire`");
    const options = ["--config", join(this.#folder, "longwire.toml"), "--data", join(this.#folder, "data")];
    // What is named LONGWIRE_ would be settings.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LONGWIRE_")));
    const child = spawn(program, ["serve", ...options, "--listen", this.#address], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    child.stderr.on("data", (data) => (this.#output += String(data)));
    const [line] = await Promise.race([
      once(createInterface(child.stdout), "line"),
      once(child, "exit").then(([code]) => assert.fail(`the server ended with ${String(code)}: ${this.#output}`)),
    ]);
    const address = /^listening on http:\/\/(.*)$/.exec(String(line))?.[1];
    assert.ok(address, `the first line was ${String(line)}`);
    this.#address = address;
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it, and removes what it kept. */
  async stop(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.#folder, { recursive: true });
  }

  /** A request to the HTTP API, as a server of the application's. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://${this.#address}${path}`, {
      method,
      headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

/** A JSON Web Token for a user. */
export function tokenFor(user: string, seconds = 3_600, channels: Record<string, string[]> = {}): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1_000) + seconds;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp, channels })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

interface Emits {
  once(event: string, listener: (...parameters: unknown[]) => void): unknown;
}

function once(emitter: Emits, event: string): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(event, (...parameters) => resolve(parameters)));
}
