// A heading that is clicked with Shift held: the list is sorted by that, too.

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.sort[data-also]");
  if (!link || !event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  location.assign(link.dataset.also);
});
