// A queue or stream as it moves: rows come on top, and say what becomes of them. What a stranger sent is only ever text.

const KEPT = 200;
const card = document.querySelector("[data-tail]");
const WORDS = { leased: "in flight" };
const KINDS = ["ready", "scheduled", "blocked", "leased", "dead"];
const COUNTED = [["published", "published"], ["acked", "acknowledged"], ["failed", "failed"], ["dead", "dead"]];

function element(tag, css, text) {
  const made = document.createElement(tag);
  if (css) made.className = css;
  if (text !== undefined) made.textContent = text;
  return made;
}

function watch() {
  const body = card.querySelector("tbody");
  const said = card.querySelector("[data-said]");
  const counts = card.querySelector("[data-counts]");
  const none = card.querySelector("[data-none]");
  const pause = card.querySelector("[data-pause]");
  const ofQueue = new URLSearchParams(card.dataset.tail.split("?")[1]).has("queue");
  const zone = { timeZone: card.dataset.zone, hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
  const clock = new Intl.DateTimeFormat("en-GB", zone);
  const rows = new Map(); // by what is told of them
  const totals = new Map();
  let source = null;
  let paused = false;
  let waiting = []; // what came while it was paused, as much of it as is kept
  let skipped = 0;
  let missed = 0;

  const number = (value) => value.toLocaleString("en-US");

  function tell(text) {
    said.textContent = text;
  }

  function state(cell, change) {
    const badge = element("span", `badge ${KINDS.includes(change.state) ? change.state : "plain"}`, WORDS[change.state] ?? change.state);
    cell.replaceChildren(badge);
    if (change.failures) cell.append(element("span", "small soft", ` ${number(change.failures)} failed`));
    cell.title = change.error ?? "";
  }

  function drawn(told) {
    const row = element("tr");
    const place = ofQueue ? told.id : `${told.partition}-${told.offset}`;
    const head = element("th", "short");
    head.scope = "row";
    const link = element("a", "name mono", place);
    link.href = `${card.dataset.of}/${ofQueue ? told.id : `${told.partition}/${told.offset}`}`;
    head.append(link);
    row.append(head);
    if (ofQueue) {
      const cell = element("td");
      state(cell, told);
      row.append(cell);
    }
    row.append(element("td", "clip mono soft", told.excerpt), element("td", "wide short", told.key ?? "–"));
    const when = element("td", "wide soft");
    const time = element("time", "", clock.format(new Date(told.at)));
    time.dateTime = told.at;
    when.append(time);
    row.append(when);
    rows.set(place, row);
    return row;
  }

  function show(seen) {
    for (const told of seen.rows) body.prepend(drawn(told));
    for (const change of seen.changes) {
      const row = rows.get(change.id);
      if (row) state(row.cells[1], change);
    }
    while (body.rows.length > KEPT) {
      rows.delete(body.lastElementChild.querySelector("a").textContent);
      body.lastElementChild.remove();
    }
    none.hidden = body.rows.length > 0;
  }

  function sum() {
    const parts = COUNTED.filter(([name]) => totals.get(name)).map(([name, word]) => `${number(totals.get(name))} ${word}`);
    if (skipped) parts.push(`skipped ${number(skipped)}`);
    counts.textContent = `${parts.length ? `Since it was opened: ${parts.join(", ")}. ` : ""}The newest ${KEPT} are kept on this page.`;
  }

  function hear(event) {
    const seen = JSON.parse(event.data);
    skipped += seen.skipped;
    for (const [name, n] of Object.entries(seen.counts)) totals.set(name, (totals.get(name) ?? 0) + n);
    sum();
    if (!paused) {
      show(seen);
      return;
    }
    missed += seen.rows.length;
    waiting = [...waiting, seen].slice(-KEPT);
    tell(`Paused, ${number(missed)} new`);
  }

  function toggle() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("span").textContent = paused ? "Go on" : "Pause";
    if (paused) {
      tell("Paused");
      return;
    }
    for (const seen of waiting) show(seen);
    waiting = [];
    missed = 0;
    tell("Live");
  }

  function close() {
    source?.close();
    source = null;
  }

  function open() {
    if (source !== null) return;
    source = new EventSource(card.dataset.tail);
    source.addEventListener("begun", () => paused || tell("Live"));
    source.addEventListener("seen", hear);
    source.addEventListener("closed", (event) => {
      close();
      tell(`Ended: ${JSON.parse(event.data).message}`);
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return tell("Reconnecting");
      close();
      tell("Refused: too many tails are open, or it may not be watched.");
    });
  }

  card.hidden = false;
  pause.addEventListener("click", toggle);
  card.querySelector("[data-clear]").addEventListener("click", () => {
    body.replaceChildren();
    rows.clear();
    none.hidden = false;
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}

if (card) watch();
