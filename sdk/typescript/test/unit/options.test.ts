// What a client can be made with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../../src/client.js";
import { FakeNetwork } from "../support/network.js";

/** The URL that a client dials. */
function dialled(url: string | URL, page?: string): string {
  const network = new FakeNetwork();
  const scope = globalThis as { location?: unknown };
  if (page !== undefined) scope.location = new URL(page);
  try {
    const client = new Client(url, { WebSocket: network.WebSocket });
    client.connect();
    void client.close();
    return network.last.url;
  } finally {
    delete scope.location;
  }
}

test("a URL is taken as it is; http: is ws:, and one without a host is the page's", () => {
  assert.equal(dialled("wss://example.com/v1/connect?x=1"), "wss://example.com/v1/connect?x=1");
  assert.equal(dialled(new URL("http://localhost:8000/v1/connect#part")), "ws://localhost:8000/v1/connect");
  assert.equal(dialled("/v1/connect", "https://example.com/chat/"), "wss://example.com/v1/connect");
});

test("what cannot work is refused with its cure", () => {
  const { WebSocket } = new FakeNetwork();
  assert.throws(() => new Client("/v1/connect", { WebSocket }), /give one like "wss:\/\/example.com\/v1\/connect"/);
  assert.throws(() => new Client("ftp://example.com", { WebSocket }), /must begin with ws: or wss:/);
  assert.throws(() => new Client("ws://example.com", { WebSocket, codec: "xml" as never }), /give "json" or "cbor"/);
});

test("without a global WebSocket the error names the cure", () => {
  const { WebSocket } = globalThis;
  Reflect.deleteProperty(globalThis, "WebSocket");
  try {
    assert.throws(() => new Client("ws://example.com"), /pass one as the option `WebSocket`/);
  } finally {
    globalThis.WebSocket = WebSocket;
  }
});
