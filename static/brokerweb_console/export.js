// A list as a file, with how far it is and a way to stop it. Without this the links are plain downloads.

const said = document.getElementById("said");
const SHOWN = 200; // milliseconds between two looks at how far it is
let running = null;

const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const count = (n) => n.toLocaleString("en-US");
const lines = (part) => part.reduce((n, byte) => n + (byte === 10), 0);

function bar(name, stop) {
  document.querySelector(".exporting")?.remove();
  const box = document.createElement("div");
  box.className = "exporting";
  box.innerHTML = '<span></span><button type="button" class="button slim"></button>';
  const [label, button] = box.children;
  button.addEventListener("click", () => (button.dataset.over === undefined ? stop() : box.remove()));
  button.textContent = "Cancel";
  document.getElementById("main").append(box);
  return {
    show: (text) => (label.textContent = `${name}: ${text}`),
    end(text, bad) {
      label.textContent = said.textContent = `${name}: ${text}`;
      box.classList.toggle("failed", bad);
      button.textContent = "Close";
      button.dataset.over = "";
    },
  };
}

function outcome(bytes) {
  const last = new TextDecoder().decode(bytes).trimEnd().split("\n").pop().replaceAll('""', '"');
  const found = /\{.*\}/.exec(last);
  try {
    return JSON.parse(found[0]);
  } catch {
    return { complete: false };
  }
}

async function tail(parts) {
  return new Uint8Array(await new Blob(parts.slice(-3)).arrayBuffer());
}

function save(parts, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function told({ complete, rows, stopped, error }, bytes) {
  const much = rows === undefined ? size(bytes) : `${count(rows)} rows, ${size(bytes)}`;
  if (complete) return `${much}, which is all`;
  const why = error ? error.message : stopped === "limit" ? "that is as many as one export has" : "it was cut off";
  return `${much}, and not all: ${why}`;
}

async function refused(answer) {
  if (answer.redirected) return "Your session has ended: sign in again.";
  const problem = await answer.clone().json().catch(() => null);
  return problem?.detail ?? `It was refused (${answer.status}).`;
}

async function run(url) {
  const stop = new AbortController();
  const name = new URL(url).searchParams.get("format");
  const shown = bar(name === "csv" ? "CSV" : "NDJSON", () => stop.abort());
  running = shown;
  said.textContent = "The export has begun";
  const parts = [];
  let bytes = 0;
  let rows = 0;
  let at = 0;
  try {
    const answer = await fetch(url, { signal: stop.signal });
    if (!answer.ok || answer.redirected) return shown.end(await refused(answer), true);
    const file = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? `export.${name}`;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.length;
      rows += lines(value);
      if (performance.now() - at < SHOWN) continue;
      at = performance.now();
      shown.show(`${count(rows)} lines, ${size(bytes)} …`);
    }
    const how = outcome(await tail(parts));
    save(parts, file, answer.headers.get("Content-Type"));
    shown.end(told(how, bytes), !how.complete);
  } catch (error) {
    shown.end(error.name === "AbortError" ? "cancelled, nothing is saved" : `it broke off after ${size(bytes)}, nothing is saved`, true);
  } finally {
    running = null;
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-export]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  link.closest("[popover]")?.hidePopover(); // which lies over how far it is
  if (running) said.textContent = "An export runs already";
  else run(link.href);
});
