// Dragging over a chart chooses that time for all charts and lists. With the keyboard the form "Another time" does the same.

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 4; // pixels: less is a click
let drag = null; // the plot, where the drag began, and the band that is drawn

function at(plot, x) {
  const { left, width } = plot.getBoundingClientRect();
  return Math.max(0, Math.min(1, (x - left) / width)) * plot.viewBox.baseVal.width;
}

function instant(plot, place) {
  const { first, last } = plot.closest(".drawn").dataset;
  const rows = plot.closest(".chart").querySelectorAll(".twin table tbody tr").length;
  const share = Math.min(1, place / Math.max(1, rows - 1)); // beyond the last point is the future
  return new Date(Number(first) + (Number(last) - Number(first)) * share).toISOString();
}

function band(x) {
  const [from, to] = [drag.from, at(drag.plot, x)].sort((a, b) => a - b);
  drag.to = [from, to];
  for (const each of drag.bands) {
    each.setAttribute("x", from);
    each.setAttribute("width", to - from);
  }
}

function end() {
  for (const each of drag?.bands ?? []) each.remove();
  drag = null;
}

document.addEventListener("pointerdown", (event) => {
  const plot = event.button === 0 && event.target.closest?.(".chart .plot");
  if (!plot) return;
  const plots = [...plot.closest(".drawn").querySelectorAll(".plot")];
  const bands = plots.map((each) => {
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("class", "brush");
    rect.setAttribute("height", 1000);
    each.append(rect);
    return rect;
  });
  drag = { plot, bands, x: event.clientX, from: at(plot, event.clientX), to: null };
  event.preventDefault();
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (!drag.plot.isConnected) return end(); // the page was made anew meanwhile
  band(event.clientX);
});
document.addEventListener("pointercancel", end);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") end();
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { plot, to, x } = drag;
  end();
  if (!to || Math.abs(event.clientX - x) < LEAST) return;
  const url = new URL(location.href);
  url.searchParams.delete("range");
  url.searchParams.set("from", instant(plot, to[0]));
  url.searchParams.set("to", instant(plot, to[1]));
  location.assign(url);
});
