// Two browsers in one room: what one writes the other reads, also over a killed server, and as text whatever it is.

import { says } from "../page.mjs";

const MARKUP = '<img src=x onerror="document.title=1"> & <b>bold</b>';

export default async function ({ url, open }) {
  for (let number = 1; number <= 60; number += 1) {
    // Whoever writes by hand gives no id.
    const id = number % 2 ? `old${number}` : undefined;
    const body = JSON.stringify({ data: { id, from: "old", name: "Archive", text: `old ${number}` } });
    const headers = { "Content-Type": "application/vnd.longwire+json" };
    const answer = await fetch(`${url}/v1/channels/chat:room/messages`, { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`publishing: ${answer.status} ${await answer.text()}`);
  }
  const [ada, grace] = [await open("#chat/room"), await open("#chat/room")];
  const latest = await texts(ada, 50);
  await grace.waitForFunction(() => document.querySelectorAll("#messages .text").length === 50);

  await write(ada, "Ada", MARKUP);
  await says(grace, "#messages", MARKUP);
  await write(grace, "Grace", "x".repeat(400));
  await says(ada, "#messages", "x".repeat(400));

  // Written while the server is away: it is shown at once as being sent, and arrives once.
  await Promise.all([
    says(ada, "#link-text", "Reconnecting"),
    fetch(`${url}/dev/kill`, { method: "POST", headers: { Origin: url } }).catch(() => {}),
  ]);
  await write(ada, "Ada", "Are you still there?");
  const whileAway = await ada.locator("#messages [data-sending] .text").allTextContents();
  await ada.waitForFunction(() => !document.querySelector("#messages [data-sending]"));
  await says(grace, "#messages", "Are you still there?");
  await write(grace, "Grace", "Never left.");
  await says(ada, "#messages", "Never left.");

  // Its answer is lost, and it was published all the same: the page says that it failed, until it comes.
  await ada.evaluate(async () => {
    const { client } = await import("/console/connection.js");
    const publish = client.publish.bind(client);
    client.publish = (...sent) => {
      client.publish = publish;
      globalThis.arrive = () => publish(...sent);
      return Promise.reject(new Error("the outcome is unknown"));
    };
  });
  await write(ada, "Ada", "In doubt.");
  await says(ada, "#messages [data-failed]", "Not sent: the outcome is unknown");
  await ada.evaluate(() => globalThis.arrive());
  await says(grace, "#messages", "In doubt.");
  await ada.waitForFunction(() => !document.querySelector("#messages [data-failed]"));

  await grace.reload();
  const reloaded = await texts(grace, 50);
  return {
    latest: [latest[0], latest.at(-1)],
    whileAway,
    ada: (await ada.locator("#messages .text").allTextContents()).slice(50),
    grace: reloaded.slice(45),
    authors: (await grace.locator("#messages .by b").allTextContents()).slice(-5),
    title: await ada.title(),
    images: await ada.locator("#messages img").count(),
  };
}

/** The texts of the messages, once there are as many. */
async function texts(page, count) {
  await page.waitForFunction((count) => document.querySelectorAll("#messages .text").length === count, count);
  return page.locator("#messages .text").allTextContents();
}

async function write(page, name, text) {
  await page.fill("#name", name);
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}
