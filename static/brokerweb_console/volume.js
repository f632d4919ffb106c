// Records by time: under the pointer a bar tells how many, a click opens them; and the flag of a group is dragged to where a seek
// is to take it. The figures are those of the table beside the picture.

const rows = (chart) => [...chart.querySelectorAll(".twin tbody tr")];
const words = (row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\.000$/, ""));

// Bars

function barAt(event) {
  const picture = event.target.closest?.(".by-time .volume");
  if (!picture) return null;
  const chart = picture.closest(".by-time");
  const all = rows(chart).filter((row) => !("end" in row.dataset));
  const { left, width } = picture.getBoundingClientRect();
  const n = Math.floor(((event.clientX - left) / width) * all.length);
  return n >= 0 && n < all.length ? { chart, row: all[n] } : null;
}

document.addEventListener("pointermove", (event) => {
  const bar = barAt(event);
  for (const told of document.querySelectorAll(".by-time .told:not([hidden])")) told.hidden = true;
  if (!bar) return;
  const told = bar.chart.querySelector(".told");
  const [at, count] = words(bar.row);
  told.textContent = `${at} · ${count}`;
  told.hidden = false;
});
document.addEventListener("click", (event) => {
  const bar = barAt(event);
  if (bar && "buckets" in bar.chart.dataset) bar.row.querySelector("a")?.click();
});

// The flag

function preview(chart, pole) {
  const row = rows(chart)[pole.valueAsNumber];
  const [at, , means] = words(row);
  const shade = chart.querySelector(".shade");
  const here = Number(shade.dataset.here);
  const there = pole.valueAsNumber / Number(pole.max);
  const back = there < here;
  shade.setAttribute("class", `shade ${back ? "again" : "skipped"}`);
  shade.setAttribute("x", `${100 * Math.min(here, there)}%`);
  shade.setAttribute("width", `${100 * Math.abs(here - there)}%`);
  return `${means}, ${back ? "back" : "on"} to ${"end" in row.dataset ? "the end" : at}`;
}

function fill(form, pole, row) {
  const where = form.elements.where;
  const first = pole.valueAsNumber === 0 && new URLSearchParams(new URL(row.querySelector("a").href).search).get("where");
  where.value = "end" in row.dataset ? "latest" : first === "earliest" ? "earliest" : "time";
  if (where.value !== "time") return;
  const { time } = form.elements;
  time.type = row.dataset.at.endsWith("Z") ? "text" : "datetime-local"; // which shows nothing of what names a zone
  time.value = row.dataset.at;
}

function raise(pole) {
  const chart = pole.closest(".by-time");
  const form = document.getElementById("seek");
  const output = chart.querySelector(".meaning output");
  const tell = (said) => {
    output.textContent = said;
    pole.setAttribute("aria-valuetext", said);
  };
  pole.hidden = false;
  output.parentElement.hidden = false;
  tell("moved" in pole.dataset ? preview(chart, pole) : "where it is");
  pole.addEventListener("input", () => {
    tell(preview(chart, pole));
    fill(form, pole, rows(chart)[pole.valueAsNumber]);
    document.getElementById("preview")?.remove(); // it was of another place
  });
}

for (const pole of document.querySelectorAll(".by-time .pole")) raise(pole);
