// Keeps the page as fresh as the house: asks for it again and puts in the parts that changed, in place.
//
// A part is an element with an id and `data-live`. Its lines have `data-key`: a new one, and one whose `data-state`
// changed, is lit up for a moment. Nothing is asked while the page is hidden. Without this script, and with it, the
// page is the same: a reload shows the same things.
"use strict";

(() => {
  const EVERY_MS = 800;
  const SLOWEST_MS = 15000;
  let tag = null;
  let wait = EVERY_MS;
  let timer = 0;
  const status = document.getElementById("live-status");
  // What the house last said of each part: the page itself differs by what was lit up.
  const said = new Map();

  const states = (part) => new Map([...part.querySelectorAll("[data-key]")].map((line) => [line.dataset.key, line.dataset.state || ""]));

  function light(part, before) {
    for (const line of part.querySelectorAll("[data-key]")) {
      const was = before.get(line.dataset.key);
      if (was === undefined) line.classList.add("is-new");
      else if (was !== (line.dataset.state || "")) line.classList.add("is-changed");
    }
  }

  function swap(old, fresh) {
    const html = fresh.innerHTML;
    if (said.get(old.id) === html) return;
    said.set(old.id, html);
    const before = states(old);
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const stuck = old.scrollHeight - old.scrollTop - old.clientHeight < 40;
    old.innerHTML = html;
    light(old, before);
    if (focused) {
      const again = [...old.querySelectorAll("[href]")].find((link) => link.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
    if (old.dataset.live === "thread" && stuck) old.scrollTop = old.scrollHeight;
  }

  function tell(connected) {
    if (!status || status.dataset.connected === String(connected)) return;
    status.dataset.connected = String(connected);
    status.textContent = connected ? status.dataset.on : status.dataset.off;
  }

  async function ask() {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
    if (answer.status === 200) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      tag = answer.headers.get("ETag");
      for (const old of document.querySelectorAll("[data-live][id]")) {
        const part = fresh.getElementById(old.id);
        if (part) swap(old, part);
      }
    } else if (answer.status !== 304) {
      throw new Error(String(answer.status));
    }
  }

  async function round() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        await ask();
        wait = EVERY_MS;
        tell(true);
      } catch {
        wait = Math.min(wait * 2, SLOWEST_MS);
        tell(false);
      }
    }
    timer = setTimeout(round, wait);
  }

  for (const part of document.querySelectorAll("[data-live][id]")) {
    said.set(part.id, part.innerHTML);
    if (part.dataset.live === "thread") part.scrollTop = part.scrollHeight;
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) round(); });
  window.carebell = { refresh: round };
  timer = setTimeout(round, EVERY_MS);
})();
