// The command line of the `ws` peer; ../README.md has the contract.
import { parseArgs } from "node:util";
import { runClient } from "./client.js";
import { runServer } from "./server.js";

const USAGE = `usage: peer server [--port N] [--cert FILE --key FILE] [--subprotocol P]... [DEFLATE]
       peer client URL [--ca FILE] [--subprotocol P]... [DEFLATE]
DEFLATE: --deflate off|no-takeover|takeover [--server-bits N] [--client-bits N]`;

function usageError(message) {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(2);
}

function parseCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        port: { type: "string", default: "0" },
        cert: { type: "string" },
        key: { type: "string" },
        ca: { type: "string" },
        subprotocol: { type: "string", multiple: true, default: [] },
        deflate: { type: "string", default: "off" },
        "server-bits": { type: "string" },
        "client-bits": { type: "string" },
      },
    });
  } catch (error) {
    return usageError(error.message);
  }
}

const { values, positionals } = parseCommandLine();
if (!["off", "no-takeover", "takeover"].includes(values.deflate)) {
  usageError(`there is no --deflate ${values.deflate}`);
}
const [role, url] = positionals;
if (role === "server") {
  runServer(values);
} else if (role === "client" && url !== undefined) {
  process.exit(await runClient(url, values)); // a socket may still be open
} else {
  usageError("the role is missing or unknown");
}
