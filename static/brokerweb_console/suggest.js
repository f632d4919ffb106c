// The field of a search: what the word at its end may go on with, from what was stored lately.

const field = document.querySelector("input[data-suggest]");
const WAIT = 200; // milliseconds without another key
let waiting = 0;
let asked = "";

async function suggest() {
  const before = field.value.slice(0, field.value.lastIndexOf(" ") + 1);
  const prefix = field.value.slice(before.length);
  const places = [...document.querySelectorAll("input[name=in]")].filter((box) => box.type !== "checkbox" || box.checked);
  const query = new URLSearchParams([["prefix", prefix], ...places.map((box) => ["in", box.value]).filter(([, place]) => place)]);
  if (prefix === "" || prefix.includes('"') || asked === String(query)) return;
  asked = String(query);
  const answer = await fetch(`/api/v1/search/suggest?${query}`);
  if (!answer.ok || !field.value.endsWith(prefix)) return;
  const { items } = await answer.json();
  field.list.replaceChildren(...items.slice(0, 12).map(({ text, example }) => new Option(example ? `for example ${example}` : "", before + text)));
}

field?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => suggest().catch(() => {}), WAIT); // without them the search is as good
});
