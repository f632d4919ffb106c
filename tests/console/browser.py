"""A real browser for tests: Debian's Chromium, driven by Playwright, with what its pages broke written down."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

# No sandbox, since containers run as root; the rest keeps it from calling home on a machine without the internet.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "password-of-the-real-server-tests"  # of the administrator of a test's server
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
_COLLECT = (
    "document.addEventListener('securitypolicyviolation', e => broke(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`))"
)


@dataclass
class Visit:
    """A page of a browser, and what went wrong on it: violations of the policy, errors of scripts."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def axe(self) -> list[str]:
        """What axe finds wrong with the page."""
        found: list[dict[str, Any]] = Axe().run(self.page, options=RULES).response["violations"]
        return [f"{v['id']}: {node['target']} {node['failureSummary'][:300]}" for v in found for node in v["nodes"]]


@contextmanager
def chromium() -> Generator[Browser]:
    """A running Chromium; skips with what to install where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Generator[Visit]:
    """A fresh profile; fails at the end when the policy was violated or a script threw."""
    context = browser.new_context(base_url=url, **options)
    visit = Visit(context.new_page())
    context.expose_function("broke", lambda what: visit.wrong.append(what))
    context.add_init_script(_COLLECT)
    visit.page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    visit.page.on("console", lambda message: visit.wrong.append(message.text) if message.type == "error" else None)
    visit.page.set_default_timeout(10_000)
    yield visit
    context.close()
    assert visit.wrong == []


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    sign_in_where_asked(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


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
    """Refresh the live part now, and wait for it."""
    page.evaluate("""() => new Promise(done => {
        const live = document.getElementById("live");
        live.addEventListener("htmx:after:swap", done, {once: true});
        live.dispatchEvent(new Event("refresh"));
    })""")
