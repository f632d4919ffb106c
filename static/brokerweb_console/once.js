// A form is sent once: a second click while the first is on its way would do the deed twice.

const LOCKED = 5000; // milliseconds; who stopped the loading may send it again after that
const sent = new WeakMap();

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  if (event.timeStamp - (sent.get(event.target) ?? -LOCKED) < LOCKED) event.preventDefault();
  else sent.set(event.target, event.timeStamp);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) sent.delete(form);
});
