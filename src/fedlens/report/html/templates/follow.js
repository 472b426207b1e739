"use strict";
// Follows the runs that the page shows: takes the page anew when something has changed, and leaves the reader where he was.
(() => {
  const live = () => document.getElementById("live");
  const say = (words) => { if (live() && live().textContent !== words) live().textContent = words; };
  const keyOf = (input) => input.closest("figure")?.dataset.chart + "/" + (input.name || "") + "/" + (input.value && input.type === "checkbox" ? input.value : "")
    + "/" + (input.dataset.series ?? "") + "/" + (input.dataset.toggle ?? "") + "/" + input.type;
  const last = (input) => input.type === "range" && input.value === input.max;
  const remembered = () => new Map([...document.querySelectorAll("main input")].map(
    (input) => [keyOf(input), input.type === "range" ? (last(input) ? null : input.value) : input.checked]));
  const restore = (states, open) => {
    for (const input of document.querySelectorAll("main input")) {
      const state = states.get(keyOf(input));
      if (state === undefined || state === null) continue;
      if (state === (input.type === "range" ? input.value : input.checked)) continue; // or else charts would be drawn again
      if (input.type === "range") input.value = state; else input.checked = state;
      input.dispatchEvent(new Event(input.type === "range" ? "input" : "change", { bubbles: true }));
    }
    [...document.querySelectorAll("main details")].forEach((details, index) => { details.open = open[index] ?? details.open; });
  };

  let working = false;
  let again = false;
  const renew = async () => {
    if (working) { again = true; return; }
    working = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Part": "1" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const charts = page.getElementById("embedded");
      if (Boolean(charts) !== Boolean(document.getElementById("embedded"))) { location.reload(); return; }
      const states = remembered();
      const open = [...document.querySelectorAll("main details")].map((details) => details.open);
      const focused = document.activeElement?.matches("main input") ? keyOf(document.activeElement) : null;
      const scrolled = scrollY;
      if (charts) document.getElementById("embedded").textContent = charts.textContent;
      for (const part of ["header", "main"]) document.querySelector(part).replaceWith(document.importNode(page.querySelector(part), true));
      document.dispatchEvent(new Event("renewed"));
      restore(states, open);
      if (focused) [...document.querySelectorAll("main input")].find((input) => keyOf(input) === focused)?.focus();
      scrollTo({ top: scrolled, behavior: "instant" });
      say(`As of ${new Date().toLocaleTimeString()}.`);
    } catch {
      say("The server does not answer.");
    } finally {
      working = false;
      if (again) { again = false; renew(); }
    }
  };
  const source = new EventSource(`events${location.search}`);
  source.addEventListener("open", () => say("Following."));
  source.addEventListener("error", () => say("The server does not answer; trying again."));
  source.addEventListener("change", renew);
  addEventListener("pagehide", () => source.close());
})();
