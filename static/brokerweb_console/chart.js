// Under the pointer a chart tells the figures of that time, as its table has them.

const SVG = "http://www.w3.org/2000/svg";

function hush() {
  for (const told of document.querySelectorAll(".chart .readout:not([hidden])")) told.hidden = true;
  for (const cursor of document.querySelectorAll(".chart .cursor")) cursor.remove();
}

function tell(plot, x) {
  const chart = plot.closest(".chart");
  const rows = chart.querySelectorAll(".twin tbody tr");
  const { left, width } = plot.getBoundingClientRect();
  const at = Math.round(((x - left) / width) * plot.viewBox.baseVal.width);
  hush();
  if (at < 0 || at >= rows.length) return; // beyond is the future
  const row = rows[rows.length - 1 - at]; // the newest stands first
  const names = [...chart.querySelectorAll(".twin thead th")].map((head) => head.textContent);
  const figures = [...row.cells].map((cell, n) => (n ? `${names[n]} ${cell.textContent}` : cell.textContent));
  const told = chart.querySelector(".readout");
  told.textContent = figures.join(" · ");
  told.hidden = false;
  for (const each of chart.querySelectorAll(".plot")) {
    const cursor = document.createElementNS(SVG, "path");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("d", `M${at} 0V1000`);
    each.append(cursor);
  }
}

let pointed = null; // where the pointer is, while it is on a chart

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".chart .plot");
  pointed = plot ? [event.clientX, event.clientY] : null;
  if (plot) tell(plot, event.clientX);
  else hush();
});
document.addEventListener("console:fresh", () => {
  const plot = pointed && document.elementFromPoint(...pointed)?.closest(".chart .plot");
  if (plot) tell(plot, pointed[0]);
});
