"""Firefox as Debian ships it, driven by WebDriver BiDi, which it speaks by itself: a real pointer and real keys."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.eventually import eventually

LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
START = 60.0  # seconds, a deadline
GONE = ("no such node", "stale element reference")  # as WebDriver says of what is no longer there
CONTROL = "\ue009"  # as WebDriver names the key


class Failed(Exception):
    """Firefox's word for what went wrong, and what it says of it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer['error']}: {answer['message']}")
        self.error = answer["error"]


class Firefox:
    """One tab of it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.call("session.new", capabilities={})
        self._tab = self.call("browsingContext.create", type="tab")["context"]

    def call(self, method: str, **params: Any) -> Any:
        """One command, and its result. Raises Failed."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=START))
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise Failed(answer)
                return answer["result"]

    def goto(self, url: str) -> None:
        self.call("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def shows(self, text: str) -> None:
        """Wait until the page says so."""
        eventually(lambda: text in self.text("main"), 30, why=text)

    def text(self, selector: str) -> str:
        """What an element says as people see it; nothing where there is none, or the page is about to be another one."""
        expression = f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"
        target = {"context": self._tab}
        try:
            found = self.call("script.evaluate", expression=expression, target=target, awaitPromise=False)["result"]
        except Failed:
            return ""
        return str(found["value"])

    def click(self, selector: str) -> None:
        eventually(lambda: self._clicked(selector), 30, why=selector)

    def _clicked(self, selector: str) -> bool:
        """False where a refresh has replaced the element before anything was pressed."""
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        try:
            element = {"type": "element", "element": {"sharedId": self._found(selector)}}
            self._act("pointer", [{"type": "pointerMove", "x": 0, "y": 0, "origin": element}, *press])
        except Failed as failure:
            if failure.error not in GONE:
                raise
            return False
        return True

    def fill(self, selector: str, text: str) -> None:
        """Type it in place of what the field holds."""
        self.click(selector)
        keys = [("keyDown", CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", CONTROL)]
        self._act("key", [{"type": kind, "value": key} for kind, key in keys])
        self.press(text)

    def press(self, keys: str) -> None:
        self._act("key", [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")])

    def _act(self, device: str, actions: list[dict[str, Any]]) -> None:
        self.call("input.performActions", context=self._tab, actions=[{"type": device, "id": device, "actions": actions}])

    def _found(self, selector: str) -> str:
        found: list[Any] = []

        def locate() -> bool:
            locator = {"type": "css", "value": selector}
            try:
                found[:] = self.call("browsingContext.locateNodes", context=self._tab, locator=locator, maxNodeCount=1)["nodes"]
            except Failed:
                return False  # the page is about to be another one
            return bool(found)

        eventually(locate, 30, why=selector)
        scroll = "element => element.scrollIntoView({block: 'center'})"
        target, [node] = {"context": self._tab}, found
        arguments = [{"sharedId": node["sharedId"]}]
        self.call("script.callFunction", functionDeclaration=scroll, arguments=arguments, target=target, awaitPromise=False)
        return str(node["sharedId"])


@contextmanager
def firefox() -> Generator[Firefox]:
    """A running Firefox with a fresh profile; skips with what to install where there is none."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("no Firefox: apt-get install firefox-esr")
    with tempfile.TemporaryDirectory() as profile:
        log = Path(profile) / "log"
        command = [path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"]
        with log.open("wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            listens = eventually(lambda: LISTENS.search(log.read_text()), START, why=f"{path} listens")
            assert listens is not None
            with connect(f"{listens[1]}/session", max_size=None) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            process.wait(START)
