// Most rows of a refreshed list say what they said before. They are taken out of the answer before it is parsed, and stay as they are;
// the others are put in their places here, so that htmx compares the rest of the page alone.

const ROW = '<tr id="';
const END = "</tr>";
const LIST = "live-rows";
const TOKEN = /name="csrfmiddlewaretoken" value="([^"]*)"/g; // masked anew in each answer
const INSTANT = /(<time [^>]*?datetime="[^"]*")[^>]*>[^<]*</g; // ages go on by themselves
let shown = new Map(); // what each row of the answer before said
let next = shown;
let token;
let morph; // htmx's own

// A row that stands for the one that is there.
export function same(id) {
  const row = document.createElement("tr");
  row.id = id;
  row.dataset.same = "";
  return row;
}

const said = (row) => row.replace(TOKEN, "").replace(INSTANT, "$1");
const unchanged = (row, before) => row === before || (before !== undefined && said(row) === said(before));

function* rows(text) {
  for (let at = text.indexOf(ROW); at >= 0; ) {
    const from = at + ROW.length;
    const end = text.indexOf(END, from) + END.length;
    if (end < from) return;
    yield { id: text.slice(from, text.indexOf('"', from)), at, end };
    at = text.indexOf(ROW, end);
  }
}

// The answer without the rows that `region` shows as they are.
export function thinned(region, text) {
  const there = [...region.querySelectorAll("tr[id]")].map((row) => row.id);
  const known = new Set(there);
  const parts = [];
  let done = 0;
  let found = 0;
  next = new Map();
  token = text.matchAll(TOKEN).next().value?.[1];
  for (const { id, at, end } of rows(text)) {
    const row = text.slice(at, end);
    found += 1;
    next.set(id, row);
    if (!known.has(id) || row.includes("<table") || !unchanged(row, shown.get(id))) continue;
    parts.push(text.slice(done, at), `${ROW}${id}" data-same>${END}`);
    done = end;
  }
  if (known.size === there.length && next.size === found) return parts.join("") + text.slice(done);
  next = new Map(); // an id that is there twice names no row
  return text;
}

const listed = (part) => [...part.querySelectorAll("tbody")].filter((body) => body.rows[0]?.id);

// The rows of the one list that `region` has become those of `fragment`, in their order.
export function placed(region, fragment) {
  const [[live, ...more], [fresh, ...others]] = [region, fragment].map(listed);
  if (!live || !fresh || more.length || others.length) return;
  const there = new Map([...live.rows].map((row) => [row.id, row]));
  const rows = [...fresh.rows].map((row) => changed(there.get(row.id), row));
  const stay = new Set(rows);
  for (const row of there.values()) if (!stay.has(row)) row.remove();
  let at = live.rows[0] ?? null;
  for (const row of rows) {
    if (row === at) at = at.nextElementSibling;
    else move(live, row, at);
  }
  live.id = fresh.id = LIST; // by which htmx finds it, whatever comes before it
  fresh.dataset.same = "";
}

function changed(there, row) {
  if (there && row.dataset.same === undefined) change(there, row);
  return there ?? row;
}

// What says something else is put in its cell; a row in which something is used, or that has other cells, is compared node by node.
function change(there, row) {
  const [old, fresh] = [[...there.cells], [...row.cells]];
  if (old.length === fresh.length && !there.contains(document.activeElement) && !there.querySelector("details, select, textarea")) {
    there.className = row.className;
    old.forEach((cell, at) => cell.isEqualNode(fresh[at]) || cell.replaceWith(fresh[at]));
    return;
  }
  const alone = document.createDocumentFragment();
  alone.append(row);
  morph(there, alone, false);
}

function move(body, row, at) {
  if (row.isConnected && body.moveBefore) body.moveBefore(row, at);
  else body.insertBefore(row, at);
}

// What was thinned is shown. The forms of rows that stayed may have the token of a session before.
export function settled(region) {
  shown = next;
  for (const field of region.querySelectorAll("tr input[name=csrfmiddlewaretoken]")) {
    if (token !== undefined && field.value !== token) field.value = token;
  }
}

window.htmx?.registerExtension("same", {
  init: (internal) => ({ morph } = internal),
  htmx_before_morph_node: (_, { newNode }) => !newNode.hasAttribute("data-same"),
});
