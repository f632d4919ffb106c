// In a list whose rows stay, tbody[data-steady], a refresh changes what rows say and nothing else: new ones wait to be asked for,
// those that are gone stay, greyed. What waits is told in a button that lies over the page, so that it moves nothing either.

import { same } from "./same.js";

// A row that is no longer in the list, as it was but for what could be done with it; pushed off the page by newer ones it may well be
// there still.
function left(row) {
  const kept = row.cloneNode(true);
  kept.classList.add("gone");
  for (const control of kept.querySelectorAll("form, input")) control.remove();
  const said = document.createElement("span");
  said.className = "hide";
  said.textContent = " (gone)";
  kept.cells[0]?.append(said);
  return kept;
}

// What of `fresh` is to be shown instead of `shown`, and how much of it waits.
function steady(shown, fresh) {
  const next = new Map(fresh.map((row) => [row.id, row]));
  const known = new Set(shown.map((row) => row.id));
  const common = fresh.filter((row) => known.has(row.id));
  const lastNext = fresh.indexOf(common.at(-1));
  const lastShown = shown.findLastIndex((row) => next.has(row.id));
  const waiting = fresh.filter((row, at) => !known.has(row.id) && (at < lastNext || lastNext < 0));
  const behind = lastNext < 0 ? [] : fresh.slice(lastNext + 1);
  const pushed = waiting.length >= shown.length - 1 - lastShown; // the rows at the end had to make room
  const greyed = (row) => row.classList.contains("gone");
  const gone = shown.filter((row, at) => !next.has(row.id) && (greyed(row) || at < lastShown || !pushed));
  const leaving = new Set(gone.filter((row) => !greyed(row)));
  const kept = shown.map((row) => next.get(row.id) ?? (leaving.has(row) ? left(row) : same(row.id)));
  const order = shown.filter((row) => next.has(row.id)).map((row) => row.id);
  return {
    rows: [...kept, ...behind],
    arrived: waiting.length,
    gone: gone.length,
    moved: common.some((row, at) => row.id !== order[at]),
  };
}

function told({ arrived, gone, moved }) {
  const parts = [arrived && `${arrived} new`, gone && `${gone} gone`].filter(Boolean);
  return parts.join(", ") || (moved ? "Another order" : "");
}

// Lets the rows of `region` stay in what is about to replace it, unless they are to come as they are.
export function arrange(region, fragment, button, anyway) {
  const before = region.querySelector("tbody[data-steady]");
  let after = fragment.querySelector("tbody[data-steady]");
  let text = "";
  if (!anyway && before) {
    const fresh = after ? [...after.rows] : [];
    if (!after) fragment.replaceChildren(...region.cloneNode(true).childNodes); // that the list is empty is shown when it is asked for
    after ??= fragment.querySelector("tbody[data-steady]");
    const change = steady([...before.rows], fresh);
    after.replaceChildren(...change.rows);
    text = told(change);
  }
  button.textContent = text;
  button.hidden = text === "";
}
