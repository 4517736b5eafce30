// Gives the lines to copy, once the live pane has shown what the test published meanwhile.

import { says } from "../page.mjs";

export default async function ({ url, open }) {
  const page = await open("#try", { permissions: ["clipboard-read", "clipboard-write"] });
  await says(page, "#live-state", "live");
  await page.click('#lines button[aria-label="Copy: Publish with curl"]');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const lines = await page.locator("#lines code").allTextContents();
  await fetch(`${url}/v1/channels/demo/messages`, { method: "POST", body: "from elsewhere" });
  await says(page, "#live", "from elsewhere");
  return { copied, lines, label: await page.locator("#lines button").first().textContent() };
}
