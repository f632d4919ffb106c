// Choosing rows: one box for the page, and how many are chosen.

const rows = () => [...document.querySelectorAll("[data-row] input[type=checkbox]")];

function tell() {
  const all = document.querySelector("[data-select-all]");
  if (!all) return;
  const boxes = rows();
  const chosen = boxes.filter((box) => box.checked).length;
  all.closest("[hidden]")?.removeAttribute("hidden");
  all.checked = chosen > 0 && chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
  for (const place of document.querySelectorAll("[data-chosen]")) place.textContent = chosen ? `${chosen} chosen` : "None chosen";
  for (const button of document.querySelectorAll("[data-needs-rows]")) button.disabled = chosen === 0;
}

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-select-all]")) for (const box of rows()) box.checked = event.target.checked;
  tell();
});
document.addEventListener("console:fresh", tell);
tell();
