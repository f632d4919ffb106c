// The zone of this browser, offered in the menu of zones.
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const button = document.querySelector("[data-own-zone]");
if (button && own && own !== "UTC") {
  button.value = own;
  button.textContent = own;
  button.hidden = false;
}
