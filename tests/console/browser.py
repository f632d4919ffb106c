"""A real browser for tests: Debian's Chromium, driven by Playwright, with what its pages broke written down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, expect, sync_playwright

# No sandbox, since containers run as root. Some keep it from calling home on a machine without the internet.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# And these from work that no test looks at: a fourth of all it does.
SAVING = ("--disable-software-rasterizer", "--renderer-process-limit=1", "--js-flags=--single-threaded")
DEADLINE = 90_000  # milliseconds: a page that is told of news looks by itself once a minute, and the machine has more to do
TOGETHER = 1.0  # seconds in which two keys are surely taken for two of one
PASSWORD = "password-of-the-real-server-tests"  # of the administrator of a test's server
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Those of axe's rules whose answer depends on the theme or on the window's width.
OF_THE_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
_AXE = Axe().axe_script
expect.set_options(timeout=DEADLINE)
_COLLECT = (
    "document.addEventListener('securitypolicyviolation', e => broke(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`))"
)


@dataclass
class Visit:
    """A page of a browser, and what went wrong on it: violations of the policy, errors of scripts."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def axe(self, rules: Sequence[str] = RULES) -> list[str]:
        """What axe finds wrong with the page, by these rules or tags of them."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE)
        options = {"runOnly": list(rules), "resultTypes": ["violations"]}
        asked = "options => axe.run(document, options).then(found => found.violations)"
        found: list[dict[str, Any]] = self.page.evaluate(asked, options)
        return [f"{v['id']}: {node['target']} {node['failureSummary'][:300]}" for v in found for node in v["nodes"]]


def installed() -> str | None:
    """Where Chromium is on this machine, if it is there."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium(saving: Sequence[str] = SAVING) -> Generator[Browser]:
    """A running Chromium; skips with what to install where there is none."""
    path = installed()
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *saving])
        yield browser
        browser.close()


def _told(message: ConsoleMessage) -> str:
    """What the browser's console says, and of which address."""
    return f"{message.text} {urlsplit(message.location['url']).path}"


def _is_wrong(message: ConsoleMessage) -> bool:
    """But for that too many pages are told of news, of which some have gone: such a page looks by itself."""
    told = _told(message)
    return message.type == "error" and not ("429" in told and told.endswith(" /news"))


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Generator[Visit]:
    """A fresh profile; fails at the end when the policy was violated or a script threw."""
    still = {"reduced_motion": "reduce", **options}  # what is on its way to a colour has one that nobody chose
    context = browser.new_context(base_url=url, **still)
    visit = Visit(context.new_page())
    context.expose_function("broke", lambda what: visit.wrong.append(what))
    context.add_init_script(_COLLECT)
    visit.page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    visit.page.on("console", lambda message: visit.wrong.append(_told(message)) if _is_wrong(message) else None)
    visit.page.set_default_timeout(DEADLINE)
    yield visit
    context.close()
    assert visit.wrong == [], visit.wrong


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    sign_in_where_asked(page)
    expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()


def sign_in_where_asked(page: Page) -> None:
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign in")


def signed_in(browser: Browser, url: str) -> StorageState:
    """What a browser keeps of a session, for ``visiting(storage_state=…)``: to sign in takes longer than most tests."""
    with visiting(browser, url) as visit:
        sign_in(visit.page)
        return visit.page.context.storage_state()


# An answer that was on its way before tells nothing of what was done since: one is waited for that is asked for from now on.
_LOOK = """(all) => new Promise(done => {
    const live = document.getElementById("live");
    const arrivals = document.getElementById("arrivals");
    const wait = () => all && !(arrivals?.hidden ?? true);
    let begun = false;
    function ask() {
        if (begun) return;
        if (wait()) arrivals.click();
        else live.dispatchEvent(new Event("refresh"));
    }
    const begin = event => { begun ||= event.target === live && !event.defaultPrevented; };
    const again = setInterval(ask, 1000);
    function fresh() {
        if (!begun) return;
        begun = false;
        if (wait()) return ask();
        clearInterval(again);
        live.removeEventListener("htmx:before:request", begin);
        document.removeEventListener("console:fresh", fresh);
        done();
    }
    live.addEventListener("htmx:before:request", begin);
    document.addEventListener("console:fresh", fresh);
    ask();
})"""


def looked(page: Page) -> None:
    """Let the live part look for what is new, and wait for it; nothing of it is asked for."""
    page.evaluate(_LOOK, False)


def refreshed(page: Page) -> None:
    """The same, and what waits to be asked for is asked for: the page shows all that was done before."""
    page.evaluate(_LOOK, True)


def go(page: Page, place: str) -> None:
    """Press g and the key of a place: once more where the machine was so slow that the page may not take them for two of one."""
    slow = True
    while slow:
        began = time.monotonic()
        page.keyboard.press("g")
        page.keyboard.press(place)
        slow = time.monotonic() - began > TOGETHER
