// Keyboard: single keys, off while typing and switchable off (WCAG 2.1.4).
import { refreshAnyway, toggle } from "./live.js";

const help = document.getElementById("keys");
const off = document.getElementById("keys-off");
const PLACES = {
  o: "now",
  n: "now",
  q: "queues",
  s: "streams",
  r: "topics",
  f: "messages",
  m: "messages",
  d: "failures",
  k: "stuck",
  j: "operations",
  t: "access",
  c: "connections",
  h: "health",
};
let going = 0;

const go = (name) => document.querySelector(`nav a[data-nav="${name}"]`)?.click();
const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

function move(step) {
  const rows = [...document.querySelectorAll("[data-row] a.name, [data-row] a.row-link")];
  if (!rows.length) {
    document.querySelector(`a[rel=${step > 0 ? "next" : "prev"}]`)?.click(); // of a page of one thing its neighbour
    return;
  }
  const at = rows.findIndex((row) => row.closest("[data-row]").contains(document.activeElement));
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))].focus();
}

function find() {
  const field = document.getElementById("search");
  if (!field) go("messages");
  else if (!field.checkVisibility()) field.closest("[popover]")?.showPopover(); // a narrow window's
  field?.focus();
}

function choose() {
  document.activeElement?.closest?.("[data-row]")?.querySelector("input[type=checkbox]")?.click();
}

function act() {
  const places = ["[data-actions]", ".why .actions", ".selection", "form.confirm > footer", "main .actions"].map((place) => `${place} :is(a, button):not([hidden], :disabled)`);
  const there = places.flatMap((place) => [...document.querySelectorAll(place)]);
  there.find((each) => each.checkVisibility())?.focus(); // what is folded away takes no focus
}

function turn(step) {
  // within what a tab is divided into, and at its end to the next tab
  const heres = ["nav.segments", ".tabs"].map((bar) => document.querySelector(`${bar} > [aria-current]`)).filter(Boolean);
  heres.map((here) => (step > 0 ? here.nextElementSibling : here.previousElementSibling)).find(Boolean)?.click();
}

const KEYS = {
  "/": find,
  j: () => move(1),
  k: () => move(-1),
  x: choose,
  a: act,
  "[": () => turn(-1),
  "]": () => turn(1),
  r: refreshAnyway,
  p: toggle,
  t: () => document.querySelector("[data-next-theme]")?.click(),
  u: () => document.querySelector("[data-undo]")?.click(),
  "?": () => help.showModal(),
  g: () => (going = Date.now()),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (off.checked && event.key !== "?") return;
  const after = Date.now() - going < 1200 ? PLACES[event.key] : undefined;
  going = 0;
  if (after) go(after);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", press);
for (const event of window.earlyKeys) press(event);
delete window.earlyKeys;

if (help) {
  for (const opener of document.querySelectorAll("[data-keys]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
  }
  off.checked = document.cookie.includes("console_keys=off");
  off.addEventListener("change", () => {
    document.cookie = `console_keys=${off.checked ? "off" : "on"}; path=/; max-age=31536000; samesite=lax`;
  });
}
