// A subscriber by the TypeScript SDK: prints every event of the channels that it is told, one JSON line each.
//
// node --experimental-websocket subscriber.mjs SDK URL CHANNEL...

const [, , sdk, url, ...channels] = process.argv;
const { Client } = await import(sdk);

const client = new Client(url);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const channel of channels) {
  const subscription = client.subscribe(channel, { start: "beginning" });
  subscription.on("message", ({ seq, data }) => print({ channel, seq, data }));
  for (const kind of ["lost", "reset", "ended", "error"]) {
    subscription.on(kind, (what) => print({ channel, [kind]: String(what?.message ?? JSON.stringify(what)) }));
  }
}
