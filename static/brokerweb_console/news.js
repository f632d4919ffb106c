// One channel for a page that is in sight: the server says that something of it may be another, the page then asks what.

const AGAIN = 60_000; // milliseconds until it is tried anew where the server had none to give

// Hears from the address, which may be empty; the answer says whether it is told at the moment.
export function listen(address, hear) {
  let source = null;
  let later = 0;

  function close() {
    clearTimeout(later);
    source?.close();
    source = null;
  }

  function open() {
    if (!address || source !== null || document.hidden) return;
    source = new EventSource(address);
    source.addEventListener("open", hear); // there may have been news before
    source.addEventListener("fresh", hear);
    source.addEventListener("closed", () => {
      close(); // the session has ended, and the page finds that out when it asks
      hear();
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return; // else the browser comes back by itself
      close();
      later = setTimeout(open, AGAIN);
    });
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  if (document.readyState === "complete") open();
  return { told: () => source?.readyState === EventSource.OPEN };
}
