// The field on top of every page: what is typed finds pages and things to do. The arrows choose, Enter goes there; where nothing is
// chosen, and without this script, Enter searches messages.

const form = document.querySelector("form[data-palette]");
const field = form?.querySelector("input[name=q]");
const list = form?.querySelector("[role=listbox], .found");
const said = document.getElementById("said");
const WAIT = 120; // milliseconds without another key
let waiting = 0;
let asked = null;

const options = () => [...list.querySelectorAll("[role=option]")];
const chosen = () => list.querySelector("[aria-selected=true]");

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) field.setAttribute("aria-activedescendant", option.id);
  else field.removeAttribute("aria-activedescendant");
}

function show(open) {
  list.hidden = !open;
  field.setAttribute("aria-expanded", String(open));
  if (!open) choose(null);
}

async function find() {
  const text = field.value;
  if (text === asked) return show(true);
  const answer = await fetch(`${form.dataset.palette}?${new URLSearchParams([["q", text]])}`);
  if (answer.status === 401 || answer.redirected) return location.reload();
  if (!answer.ok || text !== field.value || document.activeElement !== field) return undefined;
  list.innerHTML = await answer.text();
  asked = text;
  show(true);
  choose(text.trim() ? options()[0] : null);
  const n = options().length;
  said.textContent = n === 1 ? "1 result" : `${n} results`;
  return undefined;
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(() => find().catch(() => {}), WAIT);
}

function step(by) {
  const all = options();
  if (!all.length) return;
  const at = all.indexOf(chosen());
  choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
}

function take(option) {
  if (!option.dataset.post) return location.assign(option.href);
  const deed = document.getElementById("palette-deed");
  deed.action = option.href;
  for (const [name, value] of new URLSearchParams(option.dataset.post)) {
    const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    deed.append(input);
  }
  return deed.requestSubmit();
}

async function enter() {
  clearTimeout(waiting);
  if (field.value !== asked) await find().catch(() => {}); // typed faster than it was asked for
  const option = chosen();
  if (option) take(option);
  else if (field.value.trim()) form.submit();
}

const KEYS = {
  ArrowDown: () => (list.hidden ? soon() : step(1)),
  ArrowUp: () => (list.hidden ? soon() : step(-1)),
  Home: () => choose(options()[0]),
  End: () => choose(options().at(-1)),
  Escape: () => (list.hidden ? field.blur() : show(false)),
  Enter: enter,
};

function press(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!Object.hasOwn(KEYS, event.key) || ((event.key === "Home" || event.key === "End") && (list.hidden || !chosen()))) return;
  event.preventDefault();
  KEYS[event.key]();
}

function start() {
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Found");
  field.addEventListener("input", soon);
  field.addEventListener("focus", soon);
  field.addEventListener("keydown", press);
  field.addEventListener("blur", () => show(false));
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    take(option);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}

if (field) start();
