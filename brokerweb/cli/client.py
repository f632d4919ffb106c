"""REST calls to a running broker, and what becomes of those that fail."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

import brokerweb
from brokerweb import conf
from brokerweb.cli import exits, local

TIMEOUT = 60.0  # seconds for an answer; a long poll takes up to 20
PAGE = 200  # items of a list in one answer: as many as may have a verdict
DEFAULT_URL = "http://127.0.0.1:8000"
STATUSES = {401: exits.FORBIDDEN, 403: exits.FORBIDDEN, 404: exits.NOT_FOUND}
_given: dict[str, str] = {}


def given(**values: str | None) -> None:
    """What the command line says of ``url`` and ``token``; it wins over the environment and the data directory."""
    _given.update({name: value for name, value in values.items() if value})


def path(*parts: str) -> str:
    """A path below ``/api/v1``, of names as they are."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


class Broker:
    """One broker: the one that is named, or that of the data directory. Commands end where it does not do as asked."""

    def __init__(self) -> None:
        self._local = False  # whether the token is the data directory's own
        url, token = self._address()
        headers = {"User-Agent": f"brokerweb/{brokerweb.__version__}", "Client-Name": "brokerweb command"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, follow_redirects=False)

    def _address(self) -> tuple[str, str | None]:
        url = _given.get("url") or os.environ.get("BROKERWEB_URL")
        token = _given.get("token") or os.environ.get("BROKERWEB_TOKEN")
        if (url and token) or not local.is_there():
            return url or DEFAULT_URL, token
        try:
            self._local = not (url or token)
            return url or local.url() or DEFAULT_URL, token or (None if url else local.token())
        except conf.BadOption as error:
            exits.fail(str(error))

    def call(self, method: str, path: str, body: Any = None, *, text: str | None = None, **query: Any) -> Any:
        """The answer, decoded; None for an empty one. ``text`` is JSON that is sent as it is."""
        content = self.content(method, path, body, text=text, **query)
        return msgspec.json.decode(content) if content else None

    def content(self, method: str, path: str, body: Any = None, *, text: str | None = None, **query: Any) -> bytes:
        """The answer's bytes."""
        params = {name: value for name, value in query.items() if value is not None}
        sent: dict[str, Any] = {}
        if text is not None:
            sent = {"content": text.encode(), "headers": {"Content-Type": "application/json"}}
        elif body is not None:
            sent = {"json": body}
        try:
            answer = self._http.request(method, path, params=params, **sent)
        except httpx.HTTPError as error:
            self._unreachable(error)
        if answer.status_code == 401 and self._renew():
            return self.content(method, path, body, text=text, **query)
        if answer.is_error:
            self._refused(answer)
        return answer.content

    def _renew(self) -> bool:
        """Whether there is another token to try: the directory's own may have been revoked, or be of an earlier database."""
        if not self._local:
            return False
        self._local = False
        try:
            self._http.headers["Authorization"] = f"Bearer {local.renewed()}"
        except conf.BadOption as error:
            exits.fail(str(error))
        return True

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page."""
        after = None
        while True:
            page = self.call("GET", path, limit=PAGE, after=after, **query)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def events(self, path: str, **query: Any) -> Iterator[tuple[str, str]]:
        """Server-sent events, as they come: their name and their data."""
        params = {name: value for name, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=params, timeout=None) as answer:
                if answer.is_error:
                    answer.read()
                    self._refused(answer)
                name, data = "message", ""
                for line in answer.iter_lines():
                    field, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if not line:
                        if data:
                            yield name, data
                        name, data = "message", ""
                    elif field == "event":
                        name = value
                    elif field == "data":
                        data += value
        except httpx.HTTPError as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        hint = "start one with: brokerweb serve" if self.url == DEFAULT_URL else "is BROKERWEB_URL right?"
        exits.fail(f"no broker answers on {self.url} ({why}); {hint}", exits.UNREACHABLE)

    def _refused(self, answer: httpx.Response) -> None:
        try:
            problem: Mapping[str, Any] = answer.json()
            code, detail = problem.get("code", ""), problem.get("detail") or problem.get("title") or ""
            errors = "".join(f"\n  {e.get('pointer')}: {e.get('detail')}" for e in problem.get("errors", []))
        except ValueError:
            code, detail, errors = "", answer.reason_phrase, ""
        if answer.status_code == 401 and "Authorization" not in self._http.headers:
            detail = "it wants a token: set BROKERWEB_TOKEN, or run this where its data directory is (BROKERWEB_DATA)"
        exits.fail(f"{detail}{errors}" + (f" [{code}]" if code else ""), STATUSES.get(answer.status_code, exits.REFUSED))
