// Buttons that copy: data-copy names the element whose text goes to the clipboard.

async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // plain HTTP has no clipboard API
  area.value = text;
  area.className = "hide";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not copied");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  const source = button && document.getElementById(button.dataset.copy);
  if (!source) return;
  const said = document.getElementById("said");
  try {
    await write(source.textContent.trim());
    button.dataset.done = "";
    said.textContent = "Copied";
    setTimeout(() => delete button.dataset.done, 1500);
  } catch {
    getSelection().selectAllChildren(source);
    said.textContent = "Selected: copy it with the keyboard";
  }
});

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
