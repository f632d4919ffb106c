// The live part of a page: when it is asked for again, when not, and how fresh what you see is. htmx asks and morphs.

import { tellAges } from "./ages.js";
import { arrange } from "./arrivals.js";
import { listen } from "./news.js";
import { placed, settled, thinned } from "./same.js";

const region = document.getElementById("live");
const pulse = document.getElementById("pulse");
const label = pulse?.querySelector("[data-label]");
const arrivals = document.getElementById("arrivals");
const SAID = { 403: "No longer allowed", 404: "Gone" };
const EVERY = 5; // seconds between looks of a page that is not told of news
const ITS_OWN = "[hx-get], [hx-post]"; // what htmx has to look after: it would look at every attribute of every element for more
const TOLD = 15; // within which one that is hears that there may be something, if pages take no more than their share
const SELDOM = 60; // between its looks, should it miss something
let channel = { told: () => false };
let paused = false;
let good = Date.now();
let asked = good;
let news = false; // that could not be looked at yet
let failing = null;
let forced = false;
let tag = "";

// A stretch of a chart being dragged, a menu being read, or what drops down from a list's bar, a dialog, rows being chosen, a row with a button under the pointer or the
// focus, a list whose order changes by itself with the pointer or the focus in it: nothing may move under it, unless a key asks for it.
const CHOSEN = "tr input[type=checkbox]:checked, .drop[open], .brush";
const AIMED = "tr:hover form, tr:focus-within form, [data-held]:hover, [data-held]:focus-within";
const at = () => region.matches(":hover, :focus-within") && region.querySelector(AIMED) !== null; // seldom, and dear in a long list
const held = () => at() || document.querySelector("dialog[open], [popover]:popover-open") !== null || region.querySelector(CHOSEN) !== null;
const busy = () => !forced && held();
const resting = () => document.hidden || paused || busy();
const every = () => (channel.told() ? SELDOM : EVERY) * 1000;

function seconds(since) {
  const s = Math.max(0, Math.round((Date.now() - since) / 1000));
  return s < 120 ? `${s} s` : `${Math.round(s / 60)} min`;
}

function tell() {
  pulse.classList.toggle("paused", paused);
  pulse.classList.toggle("stale", failing !== null && !paused);
  region.classList.toggle("is-stale", failing !== null && !paused);
  const age = `${seconds(good)} ago`;
  if (paused) label.textContent = `Paused, ${age}`;
  else if (failing !== null) label.textContent = `${failing}, last good ${age}`;
  else if (news && held()) label.textContent = `Held, ${age}`;
  else if (Date.now() - good < (channel.told() ? TOLD : EVERY) * 1000 + 2000) label.textContent = "Live";
  else label.textContent = held() ? `Held, ${age}` : `Updated ${age}`;
}

export function refresh() {
  asked = Date.now();
  const ask = () => region.dispatchEvent(new Event("refresh"));
  if (region?.hasAttribute("data-htmx-powered")) ask();
  else region?.addEventListener("htmx:after:init", ask, { once: true }); // nobody listens before
}

export function refreshAnyway() {
  forced = true;
  tag = "";
  refresh();
}

export function toggle() {
  if (!region) return;
  paused = !paused;
  pulse.querySelector("button").setAttribute("aria-pressed", String(paused));
  if (!paused) refresh();
  tell();
}

function fresh() {
  good = Date.now();
  failing = null;
  tellAges();
  document.dispatchEvent(new Event("console:fresh"));
  tell();
}

function tick() {
  if (!resting() && (news || Date.now() - asked >= every())) refresh();
  tellAges();
  tell();
}

function received(event) {
  if (event.target !== region) return;
  const { status, headers } = event.detail.ctx.response;
  if (status === 200 && !busy()) {
    tag = headers.get("HX-PTag") ?? "";
    return;
  }
  event.preventDefault(); // it came while somebody aims, is what is there already, or is an error page, which must not replace that
  if (status === 200) news = true;
  else if (status === 304) fresh(); // what is asked for in so many words is asked for without a tag, and never answered so
  else if (status === 401) location.reload();
  else {
    forced = false;
    failing = SAID[status] ?? `Error ${status}`;
    tell();
  }
}

function start() {
  pulse.hidden = false;
  pulse.querySelector("button").addEventListener("click", toggle);
  arrivals?.addEventListener("click", refreshAnyway);
  region.addEventListener("htmx:config:request", (event) => {
    if (event.target !== region) return;
    const { request } = event.detail.ctx;
    if (tag) request.headers["HX-PTag"] = tag;
    const poll = document.getElementById("poll")?.textContent; // a list's rows as they stand, unless somebody asks for it anew
    if (poll && !forced) request.action = poll;
  });
  region.addEventListener("htmx:before:request", (event) => {
    if (event.target !== region) return;
    if (resting()) event.preventDefault();
    else news = false;
  });
  region.addEventListener("htmx:before:response", received);
  region.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (event.target === region) ctx.text = thinned(region, ctx.text);
  });
  region.addEventListener("htmx:before:swap", (event) => {
    const [main] = event.target === region ? event.detail.tasks : [];
    if (!main) return;
    arrange(region, main.fragment, arrivals, forced);
    placed(region, main.fragment);
  });
  region.addEventListener("htmx:before:process", (event) => {
    if (event.target !== region && !event.target.matches(ITS_OWN) && !event.target.querySelector(ITS_OWN)) event.preventDefault();
  });
  region.addEventListener("htmx:error", () => {
    failing = "Reconnecting";
    forced = false;
    tell();
  });
  region.addEventListener("htmx:after:swap", () => {
    forced = false;
    settled(region);
    fresh();
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  channel = listen(region.dataset.news, () => {
    news = true;
    if (!resting()) refresh();
  });
  setInterval(tick, 1000);
  tell();
}

if (region && pulse) start();
