// Large messages, and B slow: what B does not read must be held back at the server, and reach it from the log later.

import { bothLive, number, reaches, says, settle } from "../page.mjs";

/** Messages between two looks. */
const STEP = 200;

export default async function ({ url, open }) {
  const page = await open();
  await bothLive(page);
  await page.selectOption("#size", "4096");
  await page.focus("#rate");
  await page.keyboard.press("End");
  await page.click("#publish");
  await reaches(page, "#acknowledged", 100);
  await page.click("#slow");

  let congested = 0;
  for (let behind = STEP; congested === 0; behind += STEP) {
    await reaches(page, '#subscriber-b [data-part="behind"]', behind);
    congested = await metric(url, "longwire_congested_sessions");
  }
  const mostBehind = await number(page, '#subscriber-b [data-part="behind"]');
  const heldBack = await number(page, '#subscriber-a [data-part="behind"]');
  const before = await metric(url, "longwire_log_pages_total");
  await page.click("#slow");
  await says(page, "#strip", "is level after");
  const pages = (await metric(url, "longwire_log_pages_total")) - before;
  return { ...(await settle(page)), congested, mostBehind, heldBack, pages };
}

/** A figure of the server's. */
async function metric(url, name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (.*)$`, "m"))[1]);
}
