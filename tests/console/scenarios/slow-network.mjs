// The proof over a slow network, and without the browser's means to read slowly.

import { bothLive, reaches, says, settle } from "../page.mjs";

export default async function ({ open }) {
  const page = await open();
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 300,
    downloadThroughput: 60_000,
    uploadThroughput: 30_000,
  });
  // As in a browser that has none.
  await page.addInitScript(() => delete globalThis.WebSocketStream);
  await page.reload();
  await bothLive(page);
  await page.click("#publish");
  await reaches(page, "#acknowledged", 30);
  await page.click("#cut");
  await says(page, "#strip", "A level again");
  await page.click("#slow");
  await reaches(page, '#subscriber-b [data-part="behind"]', 20);
  await page.click("#slow");
  await says(page, "#strip", "is level after");
  return settle(page);
}
