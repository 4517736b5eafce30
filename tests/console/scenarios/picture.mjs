// Takes the picture of the console that the README shows: the proof, half a minute after it was started and ill-treated.

import { bothLive, says } from "../page.mjs";

/** Milliseconds in which nothing happens, so that the plot has something to show. */
const CALM = 7_000;

export default async function ({ open, argument }) {
  const page = await open("", { viewport: { width: 1280, height: 1040 }, colorScheme: "light" });
  await bothLive(page);
  await page.click("#publish");
  await page.waitForTimeout(CALM);
  await page.click("#cut");
  await says(page, "#strip", "A level again");
  await page.waitForTimeout(CALM);
  await page.click("#slow");
  await says(page, "#strip", "is level after");
  await page.waitForTimeout(CALM);
  await page.click("#kill");
  await says(page, "#strip", "Level again after");
  await page.mouse.move(640, 120);
  await page.waitForTimeout(CALM);
  await page.screenshot({ path: argument });
  return {};
}
