// On a narrow window the tabs and the navigation scroll sideways: where one is must be in sight.
for (const here of document.querySelectorAll(".tabs > [aria-current], .nav > [aria-current]")) {
  const bar = here.parentElement;
  bar.scrollLeft += here.getBoundingClientRect().left - bar.getBoundingClientRect().left - (bar.clientWidth - here.offsetWidth) / 2;
}
