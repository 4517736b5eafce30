// The client that is part of Node: the script of ../README.md through the global `WebSocket`.
//
// It has the interface of browsers, so that three steps are left out; it always offers compression, and
// trusts what NODE_EXTRA_CA_CERTS says. Before Node 22 it needs `--experimental-websocket`.
import { parseArgs } from "node:util";
import { BEYOND_BROWSERS, inTime, Inbox, runScript } from "./script.js";

const PEER = `Node ${process.versions.node} (undici ${process.versions.undici})`;

async function open(url, subprotocol) {
  const socket = new WebSocket(url, subprotocol);
  socket.binaryType = "arraybuffer";
  const inbox = new Inbox();
  socket.onmessage = ({ data }) => inbox.deliver(typeof data === "string" ? "text" : "binary", Buffer.from(data));
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  closed.then(({ code, reason }) => inbox.fail(new Error(`closed with ${code} "${reason}" before the end`)));
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = ({ message }) => reject(new Error(message || "the socket did not open"));
  });
  socket.onerror = ({ message }) => inbox.fail(new Error(message));
  return {
    socket,
    inbox,
    protocol: socket.protocol,
    extensions: socket.extensions,
    close: async () => {
      socket.close(4001, "done");
      const { code, reason, wasClean } = await inTime(closed);
      if (!wasClean) throw new Error(`the close with ${code} "${reason}" was not clean`);
      return { code, reason };
    },
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { subprotocol: { type: "string", multiple: true, default: [] } },
});
const [role, url] = positionals;
if (role !== "client" || url === undefined) {
  process.stderr.write("usage: peer client URL [--subprotocol P]...\n");
  process.exit(2);
}
const code = await runScript({
  peer: PEER,
  skipped: BEYOND_BROWSERS,
  subprotocol: values.subprotocol,
  open: () => open(url, values.subprotocol),
});
process.exit(code); // a socket may still be open
