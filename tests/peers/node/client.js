// The test client: the script of ../README.md through `ws`.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import WebSocket from "ws";
import { deflateOptions } from "./deflate.js";
import { inTime, Inbox, MAX_MESSAGE, runScript } from "./script.js";

const PEER = `ws ${createRequire(import.meta.url)("ws/package.json").version}`;

async function open(url, options) {
  const { ca, subprotocol } = options;
  const socket = new WebSocket(url, subprotocol, {
    ca: ca && readFileSync(ca),
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: deflateOptions(options),
  });
  const inbox = new Inbox();
  socket.on("message", (data, isBinary) => inbox.deliver(isBinary ? "binary" : "text", data));
  socket.on("pong", (data) => inbox.deliver("pong", data));
  socket.on("error", (error) => inbox.fail(error));
  socket.on("close", (code, reason) => inbox.fail(new Error(`closed with ${code} "${reason}" before the end`)));
  const [[response]] = await Promise.all([once(socket, "upgrade"), once(socket, "open")]);
  return {
    socket,
    inbox,
    protocol: socket.protocol,
    extensions: response.headers["sec-websocket-extensions"] ?? "",
    close: async () => {
      const closed = once(socket, "close");
      socket.close(4001, "done");
      const [code, reason] = await inTime(closed);
      return { code, reason: reason.toString() };
    },
  };
}

export const runClient = (url, options) =>
  runScript({ peer: PEER, subprotocol: options.subprotocol, open: () => open(url, options) });
