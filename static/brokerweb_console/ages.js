// What is told as "3 min ago" goes on by itself, by the server's clock: <time data-age>, in the words of the filter `span`.

const STEPS = [[86_400, "d"], [3_600, "h"], [60, "min"]];
const rendered = Date.parse(document.getElementById("live")?.dataset.renderedAt ?? "");
const arrived = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
const ahead = Number.isNaN(rendered) ? 0 : arrived - rendered; // of the server's clock, in milliseconds

function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const parts = [];
  let left = seconds;
  for (const [size, unit] of STEPS) {
    if (left >= size && parts.length < 2) parts.push(`${Math.floor(left / size)} ${unit}`);
    else if (parts.length) break;
    left %= size;
  }
  return parts.join(" ");
}

function said(instant) {
  const seconds = Math.round((Date.now() - ahead - instant) / 1000);
  return seconds < -1 ? `in ${span(-seconds)}` : span(Math.max(0, seconds));
}

export function tellAges() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = said(Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// An instant that is written out tells its distance as a tooltip, as it is when it is asked for.
document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time[title]:not([data-age])");
  if (time) time.title = said(Date.parse(time.dateTime));
});
