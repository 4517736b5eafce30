// Runs one scenario against a console, and prints what it saw as one line of JSON.
//
//     node run.mjs SCENARIO URL [ARGUMENT]
//
// LONGWIRE_PLAYWRIGHT is the folder where playwright-core is installed, LONGWIRE_CHROMIUM the browser's program.

import { createRequire } from "node:module";
import { join } from "node:path";
import { env } from "node:process";

const { chromium } = createRequire(join(env.LONGWIRE_PLAYWRIGHT, "package.json"))("playwright-core");

/** How long anything that is waited for may take: seconds, but not on a busy machine. */
const LIMIT = 60_000;

/** What Chromium says of a server that is away for a moment; everything else that it complains of is a fault. */
const AWAY = /ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|(status of|response code:) 503/;

const [, , scenario, url, argument] = process.argv;
const { default: run } = await import(`./scenarios/${scenario}.mjs`);
// Its sandbox refuses to run as root, as which many CI machines work.
const browser = await chromium.launch({ executablePath: env.LONGWIRE_CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const faults = [];
try {
  const seen = await run({ url, argument, open });
  console.log(JSON.stringify({ ...seen, faults }));
} finally {
  await browser.close();
}

/** Opens the console at a tab, in a browser profile of its own. What its console complains of is a fault. */
async function open(hash = "", options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(LIMIT);
  const page = await context.newPage();
  watch(page);
  context.on("page", watch);
  await page.goto(`${url}/${hash}`);
  return page;
}

function watch(page) {
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const isFault = ["error", "warning"].includes(message.type()) && !AWAY.test(message.text());
    if (isFault) faults.push(`${message.type()}: ${message.text()}`);
  });
}
