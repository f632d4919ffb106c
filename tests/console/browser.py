"""A real browser for tests: Debian's Chromium, driven by Playwright, with what its pages broke written down."""

from __future__ import annotations

import shutil
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
PASSWORD = "password-of-the-real-server-tests"  # of the administrator of a test's server
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Those of axe's rules whose answer depends on the theme or on the window's width.
OF_THE_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
_AXE = Axe().axe_script
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


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Generator[Visit]:
    """A fresh profile; fails at the end when the policy was violated or a script threw."""
    context = browser.new_context(base_url=url, **options)
    visit = Visit(context.new_page())
    context.expose_function("broke", lambda what: visit.wrong.append(what))
    context.add_init_script(_COLLECT)
    visit.page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    visit.page.on("console", lambda message: visit.wrong.append(_told(message)) if message.type == "error" else None)
    visit.page.set_default_timeout(10_000)
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


def refreshed(page: Page) -> None:
    """Refresh the live part now, with what waits to be asked for, and wait for it.

    It is asked for again until it comes: what is asked while an answer is on its way may go with that.
    """
    page.evaluate("""() => new Promise(done => {
        const asked = document.getElementById("arrivals");
        const ask = () => asked?.hidden ?? true
            ? document.getElementById("live").dispatchEvent(new Event("refresh"))
            : asked.click();
        const again = setInterval(ask, 1000);
        const shown = () => {
            if (!(asked?.hidden ?? true)) return ask();
            clearInterval(again);
            document.removeEventListener("console:fresh", shown);
            done();
        };
        document.addEventListener("console:fresh", shown);
        ask();
    })""")
