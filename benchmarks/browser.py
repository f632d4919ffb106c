"""What a live list of 1,000 rows costs a browser: main-thread time of a refresh, and what an hour of them leaves in memory.

``python -m benchmarks.browser``: a real page of a real broker in Chromium; its list is made longer on the way, and changes with
every refresh. Times are of the thread's own clock, so that what else the machine does is not in them.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, Route

from tests.console.browser import chromium, signed_in, visiting
from tests.server import Server

ROWS, WARM, HOUR = 1_000, 72, 720  # an hour of looks every five seconds
ASKED = 10  # refreshes after which somebody asks for what is new
ROW = re.compile(r'<tr id="m-\d+".*?</tr>', re.DOTALL)
TIMES = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
LEFT = ("Nodes", "JSEventListeners", "Documents")
SHOWN = """(asked) => new Promise(done => {
    document.addEventListener("console:fresh", done, {once: true});
    if (asked) document.getElementById("arrivals").click();
    else document.getElementById("live").dispatchEvent(new Event("refresh"));
})"""


class Longer:
    """A fragment whose list has 1,000 rows: with each answer five are new and five are gone, and a tenth says something else."""

    def __init__(self) -> None:
        self.answers = 0

    def __call__(self, route: Route) -> None:
        if route.request.headers.get("hx-request") != "true":
            route.continue_()
            return
        answer = route.fetch(headers={**route.request.headers, "hx-ptag": "", "accept-encoding": "identity"})
        before, *_, after = ROW.split(text := answer.text())
        row = ROW.search(text)
        assert row is not None
        self.answers += 1
        first = 1_000_000 + 5 * self.answers
        rows = "".join(self._row(row[0], number) for number in range(first + ROWS, first, -1))
        route.fulfill(status=200, content_type="text/html", body=before + rows + after)

    def _row(self, row: str, number: int) -> str:
        said = self.answers if number % 10 == 0 else 0
        return re.sub(r'id="m-\d+"', f'id="m-{number}"', row).replace("body of the row", f"body {number} {said}")


class Watched:
    """The browser's own figures of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.tools: CDPSession = page.context.new_cdp_session(page)
        self.tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def metrics(self) -> dict[str, float]:
        return {found["name"]: found["value"] for found in self.tools.send("Performance.getMetrics")["metrics"]}

    def refresh(self, number: int) -> dict[str, float]:
        """So many; milliseconds of one, on average, by what they went to."""
        before = self.metrics()
        for n in range(1, number + 1):
            self.page.evaluate(SHOWN, n % ASKED == 0)
        spent = self.metrics()
        return {name: round(1000 * (spent[name] - before[name]) / number, 1) for name in TIMES}

    def left(self) -> dict[str, float]:
        """What is in memory once all that is not in use has been freed."""
        for _ in range(3):  # what the first frees may hold more
            self.tools.send("HeapProfiler.collectGarbage")
        found = self.metrics()
        heap = round(self.tools.send("Runtime.getHeapUsage")["usedSize"] / 2**20, 2)
        return {"heap_mib": heap} | {name: found[name] for name in LEFT}


def measured(page: Page) -> dict[str, Any]:
    watched = Watched(page)
    page.keyboard.press("r")
    page.wait_for_selector(f"#live tbody tr:nth-child({ROWS})")
    watched.refresh(WARM)
    warm = watched.left()
    cost = watched.refresh(HOUR - WARM)
    return {"rows": ROWS, "milliseconds": cost, f"after_{WARM}": warm, f"after_{HOUR}": watched.left()}


def main() -> int:
    # Not as in tests: what a browser does on other threads is to be there.
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data") as server, chromium(saving=()) as browser:
        with server.start().rest() as rest:
            rest.declare("rows")
            rest.publish("rows", *({"body": "body of the row"} for _ in range(50)))
        state = signed_in(browser, server.url)
        with visiting(browser, server.url, storage_state=state, viewport={"width": 1280, "height": 860}) as visit:
            visit.page.route("**/queues/rows/messages", Longer())
            visit.page.goto("/queues/rows/messages")
            print(json.dumps(measured(visit.page)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
