"""REST calls to a running broker, and what becomes of those that fail."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import msgspec

import brokerweb
from brokerweb import conf
from brokerweb.cli import bodies, exits, local

TIMEOUT = 60.0  # seconds for an answer; a long poll takes up to 20
PAGE = 200  # items of a list in one answer: as many as may have a verdict
DEFAULT_URL = "http://127.0.0.1:8000"
BEFORE_A_BROKER = (400, 401, 403, 413, 429)  # which a proxy may answer that has one behind it
STATUSES = {401: exits.FORBIDDEN, 403: exits.FORBIDDEN, 404: exits.NOT_FOUND}
_given: dict[str, str] = {}


def given(**values: str | None) -> None:
    """What the command line says of ``url`` and ``token``; it wins over the environment and the data directory."""
    _given.update({name: value for name, value in values.items() if value})


def named() -> str | None:
    """The address that somebody has named."""
    return _given.get("url") or os.environ.get("BROKERWEB_URL")


def path(*parts: str) -> str:
    """A path below ``/api/v1``, of names as they are."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


def refuse_address(url: str) -> None:
    """Ends the command where that can be no broker's address."""
    try:
        place = httpx.URL(url)
    except httpx.InvalidURL as error:
        exits.fail(f"{url} is no address: {error}", exits.UNREACHABLE)
    if place.scheme not in ("http", "https") or not place.host:
        exits.fail(f"{url} is no address such as {DEFAULT_URL}", exits.UNREACHABLE)
    before, api, _ = url.partition("/api/v1")
    if api:
        exits.fail(f"leave the path off the address: {before} instead of {url}", exits.UNREACHABLE)


def _beside(said: str, pointer: str, detail: str) -> str:
    """One of an answer's errors in a line of its own, unless the answer's own text has it already."""
    in_it = f"{pointer}: {detail}" in said or f"{pointer} {detail}" in said or (not pointer and detail in said)
    return "" if in_it else f"\n  {pointer}: {detail}"


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name, data = "message", ""
    for line in lines:
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


class Broker:
    """One broker: the one that is named, or that of the data directory. Commands end where it does not do as asked."""

    def __init__(self) -> None:
        self._local = False  # whether the data directory's broker is meant, and the token is the directory's own
        self._here: str | None = None  # where that broker listens
        url, token = self._address()
        headers = {"User-Agent": f"brokerweb/{brokerweb.__version__}", "Client-Name": "brokerweb command"}
        refuse_address(url)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if url == self._here:
            headers["Host"] = "localhost"  # which it answers to, whatever address it listens on
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, follow_redirects=False)

    def _address(self) -> tuple[str, str | None]:
        url = named()
        token = _given.get("token") or os.environ.get("BROKERWEB_TOKEN")
        if (url and token) or not local.is_there():
            return url or DEFAULT_URL, token
        try:
            self._local = not (url or token)
            self._here = None if url else local.url()
            return url or self._here or DEFAULT_URL, token or (None if url else local.token())
        except conf.BadOption as error:
            exits.fail(str(error))

    @property
    def is_local(self) -> bool:
        """Whether nobody has named a broker or a token, and there is the store of a data directory."""
        return self._local

    @property
    def seen(self) -> str:
        """What is to be said where a list is empty: a token sees what its grants name, and no more."""
        return "" if self._local or "Authorization" not in self._http.headers else " that this token may see"

    def call(self, method: str, path: str, body: Any = None, *, text: str | None = None, **query: Any) -> Any:
        """The answer, decoded; None for an empty one. ``text`` is JSON that is sent as it is."""
        content = self.content(method, path, body, text=text, **query)
        try:
            return msgspec.json.decode(content, type=dict[str, Any]) if content else None
        except msgspec.DecodeError:
            self._no_broker("it answers no JSON object")

    def part(self, field: str, method: str, path: str, body: Any = None, *, text: str | None = None, **query: Any) -> Any:
        """A field of the answer, decoded."""
        answer = self.call(method, path, body, text=text, **query)
        return answer[field] if answer and field in answer else self._no_broker(f"its answer has no {field}")

    def messages(self, field: str, method: str, path: str, body: Any = None, **query: Any) -> list[bodies.Message]:
        """The messages or records in a field of the answer, as the very text they came as."""
        try:
            return bodies.messages(self.content(method, path, body, **query), field)
        except (msgspec.DecodeError, KeyError):
            self._no_broker(f"its answer has no {field}")

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
        if not answer.is_success:
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
            if not (page and {"items", "next"} <= page.keys()):
                self._no_broker("it answers no list")
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def events(self, path: str, **query: Any) -> Iterator[tuple[str, str]]:
        """Server-sent events, as they come: their name and their data."""
        params = {name: value for name, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=params, timeout=None) as answer:
                if not answer.is_success:
                    answer.read()
                    self._refused(answer)
                if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                    self._no_broker("it answers no events")
                yield from _events(answer.iter_lines())
        except httpx.HTTPError as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> NoReturn:
        why = str(error) or type(error).__name__
        hint = "is BROKERWEB_URL right?"
        if self.url == DEFAULT_URL:
            project = os.environ.get("DJANGO_SETTINGS_MODULE", local.OWN) != local.OWN
            program = "manage.py" if project else "brokerweb"
            hint = f"start one with: {program} serve" + (", or name it by BROKERWEB_URL and BROKERWEB_TOKEN" if project else "")
            if not project and "BROKERWEB_DATA" in os.environ and not local.is_there():
                hint = f"no server has run in {os.environ['BROKERWEB_DATA']} (BROKERWEB_DATA) either; {hint}"
        exits.fail(f"no broker answers on {self.url} ({why}); {hint}", exits.UNREACHABLE)

    def _no_broker(self, why: str) -> NoReturn:
        place = httpx.URL(self.url)
        hint = f"; leave the path off: {place.copy_with(path='/')!s}".rstrip("/") if place.path.strip("/") else ""
        exits.fail(f"what answers on {self.url} is no broker ({why}){hint}", exits.UNREACHABLE)

    def _redirected(self, answer: httpx.Response) -> NoReturn:
        asked = answer.request.url
        try:
            to = asked.join(answer.headers.get("Location", ""))
        except httpx.InvalidURL:
            to = asked
        if to.path != asked.path or to == asked:
            self._no_broker(f"{answer.status_code}, to {to.copy_with(query=None)}")
        there = str(to.copy_with(path=httpx.URL(self.url).path, query=None)).rstrip("/")
        exits.fail(f"{self.url} redirects to {there}; name that address", exits.UNREACHABLE)

    def _refused(self, answer: httpx.Response) -> NoReturn:
        if answer.has_redirect_location:
            self._redirected(answer)
        try:
            problem: Mapping[str, Any] = answer.json()
            code, detail = problem["code"], problem.get("detail") or problem.get("title") or ""
            errors = "".join(_beside(detail, e.get("pointer") or "", e.get("detail") or "") for e in problem.get("errors", []))
        except (ValueError, LookupError, TypeError):
            if answer.status_code not in BEFORE_A_BROKER:
                self._no_broker(f"{answer.status_code} {answer.reason_phrase}")
            code, detail, errors = "", answer.reason_phrase, ""
        if answer.status_code == 401 and "Authorization" not in self._http.headers:
            detail = "it wants a token: set BROKERWEB_TOKEN, or run this where its data directory is (BROKERWEB_DATA)"
        exits.fail(f"{detail}{errors}" + (f" [{code}]" if code else ""), STATUSES.get(answer.status_code, exits.REFUSED))
