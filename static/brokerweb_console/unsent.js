// A form whose session has ended is not carried out: what was typed comes back once the same person has signed in again.

const KEPT = "unsent";
const person = document.querySelector("[data-person]")?.dataset.person;
const place = location.pathname + location.search;
const SKIPPED = ["hidden", "password", "file", "submit", "button", "reset", "image"]; // and with them every token

const CONFIRMATION = "typed"; // the name that a destructive deed wants: it is typed anew
const comesBack = (field) => field.name && field.name !== CONFIRMATION && !SKIPPED.includes(field.type);
const fields = (form) => [...form.elements].filter(comesBack);
const names = (form) => fields(form).map((field) => field.name);
const tick = (field) => field.type === "checkbox" || field.type === "radio";
const drop = () => sessionStorage.removeItem(KEPT);

function keep(form) {
  drop();
  if (!fields(form).length) return;
  const values = fields(form).map((field) => (tick(field) ? field.checked : field.value));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ person, place, names: names(form), values }));
  } catch {
    // larger than the browser keeps
  }
}

function put(field, value) {
  if ((tick(field) ? field.checked : field.value) === value) return;
  if (tick(field)) field.checked = value;
  else field.value = value;
  field.closest("details")?.setAttribute("open", "");
  if (!field.checkVisibility()) field.closest("[popover]:not(:popover-open)")?.showPopover();
}

function bringBack(kept) {
  const form = [...document.forms].find((each) => each.method === "post" && String(names(each)) === String(kept.names));
  if (!form) return;
  fields(form).forEach((field, at) => put(field, kept.values[at]));
  const note = document.createElement("p");
  note.className = "note warning";
  note.textContent = "Your session had ended before this was sent. What you typed is here again: look it over, and send it.";
  document.querySelector(".notes").append(note);
}

document.addEventListener("submit", (event) => {
  if (event.target.method === "post" && !event.defaultPrevented) keep(event.target);
});

const kept = JSON.parse(sessionStorage.getItem(KEPT));
const cameBack = kept?.refused || (document.referrer && new URL(document.referrer).pathname === "/sign-in");
if (kept && document.querySelector("[data-unsent]")) {
  sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, refused: true }));
} else {
  drop();
  if (kept && cameBack && kept.person === person && kept.place === place) bringBack(kept);
}
