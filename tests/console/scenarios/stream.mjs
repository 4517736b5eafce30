// Asks for an answer, reloads in the middle, opens it twice, kills the server: the text must be whole in both pages.

import { says } from "../page.mjs";

const QUESTION = "What happens to a long-running answer when somebody reloads?";

export default async function ({ open }) {
  const page = await open("#stream");
  await page.fill("#prompt", QUESTION);
  await page.press("#prompt", "Enter");
  await pieces(page, 40);

  await page.reload();
  const afterReload = await pieces(page, 60);
  const [twin] = await Promise.all([page.context().waitForEvent("page"), page.click("#twin")]);
  await pieces(twin, 80);
  await Promise.all([says(page, "#link-text", "Reconnecting"), page.click("#answer-kill")]);

  await says(page, "#answer-state", "complete");
  await says(twin, "#answer-state", "complete");
  const whole = await page.evaluate(async (question) => {
    const { answerTo } = await import("/console/generator.js");
    return answerTo(question);
  }, QUESTION);
  return {
    question: await page.locator("#question").textContent(),
    afterReload,
    total: whole.length,
    whole: whole.join(""),
    pages: await Promise.all([page, twin].map(figures)),
    loads: await page.locator("#answer-loads").textContent(),
  };
}

/** Waits until at least so many pieces are shown, and gives their number. */
async function pieces(page, least) {
  const shown = await page.waitForFunction((least) => {
    const number = Number.parseInt(document.querySelector("#pieces").textContent, 10);
    return number >= least && number;
  }, least);
  return shown.jsonValue();
}

async function figures(page) {
  const [text, pieces, lost, doubled, reconnects] = await Promise.all(
    ["prose", "pieces", "answer-lost", "answer-doubled", "answer-reconnects"].map((id) => page.locator(`#${id}`).textContent()),
  );
  return { text, pieces, lost, doubled, reconnects };
}
