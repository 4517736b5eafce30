// Echo server on `ws`: the loop of its own documentation. Node finds the library by NODE_PATH.
"use strict";
const { parseArgs } = require("node:util");
const { WebSocketServer } = require("ws");

const { values } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:9001" },
    deflate: { type: "string", default: "off" },
    level: { type: "string" },
  },
});

const level = values.level === undefined ? {} : { zlibDeflateOptions: { level: Number(values.level) } };
const modes = {
  off: false,
  takeover: values.level === undefined ? true : level,
  "no-takeover": { serverNoContextTakeover: true, clientNoContextTakeover: true, ...level },
};
if (!(values.deflate in modes)) throw new Error(`--deflate is one of ${Object.keys(modes)}`);

const split = values.listen.lastIndexOf(":");
const server = new WebSocketServer({
  host: values.listen.slice(0, split),
  port: Number(values.listen.slice(split + 1)),
  backlog: 1024,
  perMessageDeflate: modes[values.deflate],
});
server.on("listening", () => {
  const { address, port } = server.address();
  process.stdout.write(`listening on ws://${address}:${port}\n`);
});
server.on("connection", (socket) => {
  socket.on("error", (error) => process.stderr.write(`ws: connection dropped: ${error.message}\n`));
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
