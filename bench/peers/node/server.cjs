// Echo and broadcast server on `ws`. Node finds the libraries by NODE_PATH.
//
// The plain loop is that of its README. The best one is the same with the addon `bufferutil`, which its README
// has for performance; `ws` takes the addon where it finds it. `--broadcast` is its README's server broadcast.
"use strict";
const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { parseArgs } = require("node:util");

const { values } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:9001" },
    cert: { type: "string" },
    key: { type: "string" },
    loop: { type: "string", default: "plain" },
    broadcast: { type: "boolean", default: false },
    deflate: { type: "string", default: "off" },
    level: { type: "string" },
  },
});

if (!["plain", "best"].includes(values.loop)) throw new Error("--loop is plain or best");
if ((values.cert === undefined) !== (values.key === undefined)) throw new Error("--cert and --key go together");
// `ws` falls back in silence where the addon cannot be loaded; the best loop must not.
if (values.loop === "best") require("bufferutil");
else process.env.WS_NO_BUFFER_UTIL = "1";
const { WebSocket, WebSocketServer } = require("ws");

const level = values.level === undefined ? {} : { zlibDeflateOptions: { level: Number(values.level) } };
const modes = {
  off: false,
  takeover: values.level === undefined ? true : level,
  "no-takeover": { serverNoContextTakeover: true, clientNoContextTakeover: true, ...level },
};
if (!(values.deflate in modes)) throw new Error(`--deflate is one of ${Object.keys(modes)}`);

const tls = values.cert !== undefined;
const server = tls
  ? https.createServer({ cert: readFileSync(values.cert), key: readFileSync(values.key) })
  : http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: modes[values.deflate] });

const echo = (socket) => (data, binary) => socket.send(data, { binary });
const broadcast = () => (data, binary) => {
  for (const client of sockets.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
  }
};
const answer = values.broadcast ? broadcast : echo;

sockets.on("connection", (socket) => {
  socket.on("error", (error) => process.stderr.write(`connection dropped: ${error.message}\n`));
  socket.on("message", answer(socket));
});

const split = values.listen.lastIndexOf(":");
const [host, port] = [values.listen.slice(0, split), Number(values.listen.slice(split + 1))];
server.listen({ host, port, backlog: 1024 }, () => {
  const { address, port } = server.address();
  process.stdout.write(`listening on ${tls ? "wss" : "ws"}://${address}:${port}\n`);
});
