// Opens every tab at several widths, with long words in it: nothing may stick out, and every control has a name.

import { says } from "../page.mjs";

const WIDTHS = [360, 390, 768, 1280];
const TABS = ["#proof", "#chat/layout", "#stream", "#try"];
const LONG = "a-word-without-any-place-to-break".repeat(8).replaceAll("-", "");

export default async function ({ url, open }) {
  const post = (channel, body, type) =>
    fetch(`${url}/v1/channels/${channel}/messages`, { method: "POST", headers: { "Content-Type": type }, body });
  const envelope = { data: { id: "long", from: "x", name: LONG.slice(0, 40), text: LONG } };
  await post("chat:layout", JSON.stringify(envelope), "application/vnd.longwire+json");
  await post("demo", LONG, "text/plain");

  const outside = [];
  for (const width of WIDTHS) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open("", { viewport: { width, height: 800 }, colorScheme });
      await says(page, "#where", "data in");
      for (const tab of TABS) {
        await go(page, tab);
        if (tab.startsWith("#chat")) await says(page, "#messages", LONG);
        if (tab === "#try") await says(page, "#live", LONG);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (beyond > 0) outside.push({ width, tab, beyond });
      }
      await page.context().close();
    }
  }

  const page = await open("#proof");
  const nameless = [];
  for (const tab of TABS) {
    await go(page, tab);
    nameless.push(...(await page.evaluate(namelessControls)));
  }
  // A page of its own, so that the keyboard begins where it does for whoever opens the console.
  return { outside, nameless, keyboard: await byKeyboard(await open("#proof")) };
}

/** Opens a tab in the page that is there, and waits until it is shown: the page hears of its new address a moment later. */
async function go(page, tab) {
  await page.evaluate((tab) => {
    location.hash = tab;
  }, tab);
  const view = tab.slice(1).split("/")[0];
  await page.waitForFunction((view) => document.querySelector("[data-view]:not([hidden])").dataset.view === view, view);
}

/** Runs in the page: the controls that are seen and that assistive technology has no name for. */
function namelessControls() {
  return [...document.querySelectorAll("button, a, input, select, textarea")]
    .filter((control) => control.checkVisibility())
    .filter((control) => {
      const labels = [...(control.labels ?? [])].map((label) => label.textContent).join("");
      return !(labels || control.ariaLabel || control.textContent).trim();
    })
    .map((control) => control.outerHTML);
}

/** Goes to the publisher, starts it and changes its rate without a mouse. */
async function byKeyboard(page) {
  const focused = [];
  for (let step = 0; step < 9; step += 1) {
    await page.keyboard.press("Tab");
    focused.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()));
  }
  await page.focus("#publish");
  await page.keyboard.press("Enter");
  await says(page, "#publisher-state", "publishing");
  await page.focus("#rate");
  await page.keyboard.press("ArrowRight");
  return { focused, rate: await page.locator("#rate-text").textContent() };
}
