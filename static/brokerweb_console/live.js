// Live refresh: htmx polls and morphs the region; this module says when not to, and how fresh what you see is.

const region = document.getElementById("live");
const pulse = document.getElementById("pulse");
const label = pulse?.querySelector("[data-label]");
const SAID = { 403: "No longer allowed", 404: "Gone" };
const EVERY = 5; // seconds; the region's hx-trigger has the same
let paused = false;
let good = Date.now();
let failing = null;
let forced = false;

// A menu being read, a dialog, rows being chosen, a row with a button under the pointer or the focus, a list whose order changes by
// itself with the pointer or the focus in it: nothing may move under it, unless a key asks for it.
const HELD = "input[type=checkbox]:checked, tr:hover form, tr:focus-within form, [data-held]:hover, [data-held]:focus-within";
const held = () => document.querySelector("dialog[open], [popover]:popover-open") !== null || region.querySelector(HELD) !== null;
const busy = () => !forced && held();

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
  else if (Date.now() - good < (EVERY + 2) * 1000) label.textContent = "Live";
  else label.textContent = held() ? `Held, ${age}` : `Updated ${age}`;
}

export function refresh() {
  const ask = () => region.dispatchEvent(new Event("refresh"));
  if (region?.hasAttribute("data-htmx-powered")) ask();
  else region?.addEventListener("htmx:after:init", ask, { once: true }); // nobody listens before
}

export function refreshAnyway() {
  forced = true;
  refresh();
}

export function toggle() {
  if (!region) return;
  paused = !paused;
  pulse.querySelector("button").setAttribute("aria-pressed", String(paused));
  if (!paused) refresh();
  tell();
}

function start() {
  pulse.hidden = false;
  pulse.querySelector("button").addEventListener("click", toggle);
  region.addEventListener("htmx:before:request", (event) => {
    if (event.target === region && (document.hidden || paused || busy())) event.preventDefault();
  });
  region.addEventListener("htmx:before:response", (event) => {
    if (event.target !== region) return;
    const { status } = event.detail.ctx.response;
    if (status === 200 && !busy()) return;
    forced = false;
    event.preventDefault(); // it came while somebody aims, or is an error page, which must not replace the last good data
    if (status === 200) return;
    if (status === 401) location.reload();
    else failing = SAID[status] ?? `Error ${status}`;
    tell();
  });
  region.addEventListener("htmx:error", () => {
    failing = "Reconnecting";
    forced = false;
    tell();
  });
  region.addEventListener("htmx:after:swap", () => {
    good = Date.now();
    failing = null;
    forced = false;
    document.dispatchEvent(new Event("console:fresh"));
    tell();
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(tell, 1000);
  tell();
}

if (region && pulse) start();
