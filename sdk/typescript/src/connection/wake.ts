// Finds out that the page or the machine slept, or that the network came back.

import type { Clock, Timer } from "../clock.js";

/** What there is to listen to. */
export interface Page {
  /** The window, or the global scope of a worker. */
  readonly window?: EventTarget | undefined;
  readonly document?: (EventTarget & { readonly visibilityState?: string }) | undefined;
}

/** The page or worker that this code runs in, if it is one. */
export function currentPage(): Page {
  const { document } = globalThis as { document?: Page["document"] };
  return { window: typeof globalThis.addEventListener === "function" ? globalThis : undefined, document };
}

/** Calls `wake` when something may have been missed. Returns the function that ends this. */
export function watchWake(clock: Clock, page: Page, wake: () => void): () => void {
  const stops = [watchClock(clock, wake)];
  const listen = (target: EventTarget | undefined, event: string, listener: () => void): void => {
    target?.addEventListener(event, listener);
    stops.push(() => target?.removeEventListener(event, listener));
  };
  listen(page.window, "online", wake);
  // A page that comes out of the back-forward cache.
  listen(page.window, "pageshow", wake);
  // A page that was frozen (Page Lifecycle).
  listen(page.document, "resume", wake);
  listen(page.document, "visibilitychange", () => {
    if (page.document?.visibilityState !== "hidden") wake();
  });
  return () => {
    for (const stop of stops) stop();
  };
}

/**
 * Notices a machine that slept, of which no event tells: the wall clock has gone much further than the other one. Where both go
 * on in a sleep, timers are due behind it, and nothing has to be noticed. That a timer is late alone says nothing: browsers
 * slow those of hidden pages down.
 */
function watchClock(clock: Clock, wake: () => void): () => void {
  const ahead = (): number => clock.now() - clock.monotonic();
  let last = ahead();
  let timer: Timer;
  const look = (): void => {
    const slept = ahead() - last;
    last += slept;
    timer = clock.setTimeout(look, LOOK_EACH_MS);
    if (slept >= LEAST_MS) wake();
  };
  timer = clock.setTimeout(look, LOOK_EACH_MS);
  return () => clock.clearTimeout(timer);
}

const LOOK_EACH_MS = 5_000;
/** Beyond what a wall clock is set right by. */
const LEAST_MS = 5_000;
