// The development console: its tabs, the state of its connection, and what the server says of itself.

import { startChat } from "./chat.js";
import { client, Reconnects, serverInfo, WORDS } from "./connection.js";
import { clock, find, write } from "./dom.js";
import { startProof } from "./proof.js";
import { startStream } from "./stream.js";
import { startTry } from "./try.js";

const TITLES = { proof: "Longwire", chat: "Chat · Longwire", stream: "Token stream · Longwire", try: "Try it · Longwire" };

const open = { proof: () => {}, chat: startChat(go), stream: startStream(go), try: startTry() };
startProof();

/** Opens a tab, with what is to be shown in it: `#chat/lobby`. */
function go(tab, detail) {
  location.hash = detail ? `${tab}/${detail}` : tab;
}

function route() {
  const [tab, detail] = location.hash.slice(1).split("/");
  if (tab === "main") return;
  const shown = tab in TITLES ? tab : "proof";
  for (const view of document.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== shown;
  for (const link of document.querySelectorAll("[data-tab]")) {
    if (link.dataset.tab === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    // A tab that is left comes back to what was open in it.
    if (link.dataset.tab === shown && detail) link.hash = `${shown}/${detail}`;
  }
  document.title = TITLES[shown];
  open[shown](detail);
}

function showLink() {
  find("link").dataset.state = client.state;
  write(find("link-text"), WORDS[client.state] ?? client.state);
  const closed = client.state === "closed";
  find("notice").hidden = !closed;
  if (closed) write(find("notice"), "The server closed this connection for good. Reload the page to connect again.");
}

async function showServer() {
  const info = await serverInfo();
  if (!info) return;
  const where = ` to ${location.host}, data in ${info.data}`;
  write(find("where"), where);
  find("where").title = where.trim();
  write(find("fact-pid"), `${info.pid}, since ${clock(info.started_ms)}`);
  write(find("fact-version"), info.version);
}

addEventListener("hashchange", route);
client.on("state", showLink);
new Reconnects(client, showServer);
showLink();
showServer();
route();
