// Copies a line, runs the JavaScript in a page of another origin, and gives all lines.

import { createServer } from "node:http";
import { once } from "node:events";

import { says } from "../page.mjs";

export default async function ({ url, open }) {
  const page = await open("#try", { permissions: ["clipboard-read", "clipboard-write"] });
  await says(page, "#live-state", "live");
  // What a button says, it says for a moment: it is looked for before it can be there.
  const [label] = await Promise.all([
    page.waitForFunction(() => {
      const { textContent, ariaLabel } = document.querySelector("#lines button");
      return textContent !== "Copy" && [textContent, ariaLabel];
    }),
    page.click('#lines button[aria-label="Copy: Publish with curl"]'),
  ]);
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const lines = await page.locator("#lines code").allTextContents();

  await fetch(`${url}/v1/channels/demo/messages`, { method: "POST", body: "from elsewhere" });
  await says(page, "#live", "from elsewhere");
  const printed = await elsewhere(page.context(), lines.find((line) => line.startsWith("import")));
  await says(page, "#live", "hello");
  return { copied, label: await label.jsonValue(), lines, printed };
}

/** Runs a module in a page of another origin, and gives the first two things that it prints. */
async function elsewhere(context, module) {
  const server = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>Elsewhere</title>"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const page = await context.newPage();
    const printed = [];
    page.on("console", (message) => printed.push(message.text()));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.addScriptTag({ type: "module", content: module });
    while (printed.length < 2) await page.waitForEvent("console");
    return printed.slice(0, 2);
  } finally {
    server.close();
  }
}
