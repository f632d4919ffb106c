// The page Connect & publish: Ctrl+Enter sends, the programs follow what is typed, and what has come is said aloud.

import { listen } from "./news.js";

const form = document.querySelector("[data-compose]");
const programs = document.getElementById("programs");
const said = document.getElementById("said");
const QUIET = 400; // milliseconds without typing, after which the programs are written anew
const OFTEN = 5_000; // milliseconds between looks where nobody tells of news
const SELDOM = 60_000; // and where somebody does
let timer;
let asking;

async function write() {
  asking?.abort();
  asking = new AbortController();
  const body = new URLSearchParams(new FormData(form));
  body.set("as", "program");
  const chosen = programs.querySelector("input:checked")?.id;
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Part": "programs" }, signal: asking.signal });
    if (!answer.ok || answer.redirected) return; // the session has ended: the form's own button says so
    programs.innerHTML = await answer.text();
  } catch {
    return; // typed on meanwhile, or nobody answers
  }
  const again = chosen && document.getElementById(chosen);
  if (again) again.checked = true;
  for (const button of programs.querySelectorAll("[data-copy]")) button.hidden = false;
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(write, QUIET);
}

if (form) {
  form.addEventListener("input", later);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  if (document.getElementById("sent")) document.getElementById("id_body").focus({ preventScroll: true });
  history.replaceState(null, "", location.href); // to load the page again is not to publish again
}
for (const each of document.querySelectorAll("[data-by-hand]")) each.hidden = true;

// What one waits for is asked about when there is news of it, seldom without, and not while nobody looks.
const waiting = () => document.querySelector("[data-waiting]");
let looked = Date.now();
let seen = "";

async function look() {
  const part = waiting();
  if (!part || document.hidden) return;
  looked = Date.now();
  const headers = { "HX-Request": "true", ...(seen && { "HX-PTag": seen }) };
  const answer = await fetch(part.dataset.waiting, { headers }).catch(() => null);
  if (answer?.status === 401) location.reload();
  if (answer?.status !== 200) return;
  seen = answer.headers.get("HX-PTag") ?? "";
  part.outerHTML = await answer.text();
  for (const each of document.querySelectorAll("#waiting [data-by-hand]")) each.hidden = true;
  const arrived = document.querySelector(".waiting.arrived");
  if (arrived) said.textContent = arrived.textContent.trim();
}

if (waiting()) {
  const channel = listen(waiting().dataset.news, look);
  setInterval(() => Date.now() - looked >= (channel.told() ? SELDOM : OFTEN) && look(), 1000);
  document.addEventListener("visibilitychange", look);
}
