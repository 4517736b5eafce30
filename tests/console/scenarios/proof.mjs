// Publishes, and presses each button: cut, slow, kill. Then everything must be there once, in order.

import { bothLive, number, pid, reaches, says, settle } from "../page.mjs";

export default async function ({ url, open }) {
  const page = await open();
  await bothLive(page);
  const channel = (await page.locator("#strip span").last().textContent()).match(/demo:[a-z0-9-]+/)[0];
  await page.click("#publish");
  await reaches(page, "#acknowledged", 50);

  await page.click("#cut");
  await says(page, "#strip", "A level again");

  await page.click("#slow");
  await reaches(page, '#subscriber-b [data-part="behind"]', 50);
  const mostBehind = await number(page, '#subscriber-b [data-part="behind"]');
  const heldBack = await number(page, '#subscriber-a [data-part="behind"]');
  await page.click("#slow");
  await says(page, "#strip", "is level after");

  const before = { pid: await pid(url), acknowledged: await number(page, "#acknowledged") };
  await page.click("#kill");
  await says(page, "#strip", "Back after");
  await says(page, "#strip", "Level again after");
  await reaches(page, "#acknowledged", before.acknowledged + 100);
  const after = await pid(url);

  const figures = await settle(page);
  const stream = await (await fetch(`${url}/v1/channels/${channel}`)).json();
  return { ...figures, mostBehind, heldBack, killed: before.pid, serving: after, stream };
}
