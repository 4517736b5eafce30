// What the scenarios read from the page.

/** The number in an element: the console groups digits by commas. */
export async function number(page, selector) {
  return Number((await page.locator(selector).textContent()).replaceAll(",", ""));
}

/** Waits until the number in an element is at least `least`. */
export async function reaches(page, selector, least) {
  await page.waitForFunction(
    ([selector, least]) => Number(document.querySelector(selector).textContent.replaceAll(",", "")) >= least,
    [selector, least],
  );
}

/** Waits until an element has this text. */
export async function says(page, selector, text) {
  await page.waitForFunction(
    ([selector, text]) => document.querySelector(selector)?.textContent.includes(text),
    [selector, text],
  );
}

/** What a subscriber's card shows. */
export async function subscriber(page, name) {
  const part = (part) => number(page, `#subscriber-${name} [data-part="${part}"]`);
  const [received, behind, lost, doubled, reconnects, seq] = await Promise.all(
    ["received", "behind", "lost", "doubled", "reconnects", "seq"].map(part),
  );
  return { received, behind, lost, doubled, reconnects, seq };
}

/** Waits until both subscribers are live. */
export async function bothLive(page) {
  for (const name of ["a", "b"]) await says(page, `#subscriber-${name} [data-part="state"]`, "live");
}

/** Stops the publisher, waits until everything has arrived, and gives all figures. */
export async function settle(page) {
  await page.click("#publish");
  await page.waitForFunction(() => document.querySelector("#waiting").textContent === "0");
  const sent = await number(page, "#sent");
  for (const name of ["a", "b"]) await reaches(page, `#subscriber-${name} [data-part="received"]`, sent);
  return {
    sent,
    acknowledged: await number(page, "#acknowledged"),
    a: await subscriber(page, "a"),
    b: await subscriber(page, "b"),
    lost: await number(page, "#lost"),
    doubled: await number(page, "#doubled"),
    verdict: await page.locator("#verdict-text").textContent(),
    notes: await page.locator("#strip span").allTextContents(),
  };
}

/** The process that serves the page, by its own word. */
export async function pid(url) {
  const answer = await fetch(`${url}/dev/info`);
  return (await answer.json()).pid;
}
