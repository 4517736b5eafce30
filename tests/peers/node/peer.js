// The command line of the `ws` peer; ../README.md has the contract.
import { parseArgs } from "node:util";
import { runClient } from "./client.js";
import { runServer } from "./server.js";

const USAGE = `usage: peer server [--port N] [--cert FILE --key FILE] [--subprotocol P]...
       peer client URL [--ca FILE] [--subprotocol P]...`;

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
      },
    });
  } catch (error) {
    return usageError(error.message);
  }
}

const { values, positionals } = parseCommandLine();
const [role, url] = positionals;
if (role === "server") {
  runServer(values);
} else if (role === "client" && url !== undefined) {
  process.exitCode = await runClient(url, values);
} else {
  usageError("the role is missing or unknown");
}
