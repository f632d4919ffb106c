// Keys that are pressed before the modules are there are kept for keys.js, which empties this.
window.earlyKeys = [];
document.addEventListener("keydown", (event) => window.earlyKeys?.push(event));
