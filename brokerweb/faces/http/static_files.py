"""Static files straight from where packages and the project keep them: WhiteNoise, without a thread per request, in few bytes,
and under names that change with their content.

WhiteNoise's own middleware is synchronous; one such class in the chain makes Django run everything behind it on the one
thread it shares. The files are small and listed at start, so that reading one on the event loop is the cheaper way. Texts are
compressed when somebody first asks for them, on another thread, and kept: no collectstatic is needed for that, nor for the names
(docs/adr/0042-pages-are-told-of-news-and-weigh-little.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.storage import storages
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

from brokerweb.faces.http.compression import LARGEST, packed, taken

FOREVER, NEVER = "max-age=31536000, public, immutable", "no-cache"
KEPT = 64 * 1024 * 1024  # bytes of texts that are kept, compressed or not
_TEXTS = ("text/", "application/javascript", "application/json", "application/manifest+json", "image/svg+xml")
_MARKED = re.compile(r"(.+)\.([0-9a-f]{12})(\.[^./]+)")
_IMPORT = re.compile(rb"""(\b(?:from|import)\s*\(?\s*["']\./[\w-]+)(\.js["'])""")


class HashedNames(StaticFilesStorage):
    """Where files are asked for: by names with a mark of their content, which ``StaticFiles`` knows."""

    def url(self, name: str | None) -> str:
        plain: str = super().url(name)
        mark = None if settings.DEBUG or not name else mark_of(name)
        stem, dot, suffix = plain.rpartition(".")
        return plain if mark is None or not dot or "/" in suffix else f"{stem}.{mark}.{suffix}"


@lru_cache(maxsize=4096)
def mark_of(name: str) -> str | None:
    """The mark of a file's content; None where there is no such file. Modules import their neighbours by name: scripts of one
    folder share a mark, which changes with any of them.
    """
    found = finders.find(name)
    if not isinstance(found, str):
        return None
    path = Path(found)
    return _mark_of_scripts(path.parent) if path.suffix == ".js" else _mark([path])


@lru_cache(maxsize=256)
def _mark_of_scripts(folder: Path) -> str:
    return _mark(sorted(folder.glob("*.js")))


def _mark(files: list[Path]) -> str:
    digest = blake2b(digest_size=6)
    for file in files:
        digest.update(b"%b\0%b\0" % (file.name.encode(), file.read_bytes()))
    return digest.hexdigest()


class Asked(NamedTuple):
    """What a request is for: one of WhiteNoise's files, its plain name, and the mark that it was asked for with."""

    file: Any
    name: str
    mark: str | None

    @property
    def caching(self) -> dict[str, str]:
        """Under a mark of other content it is a page of another version that asks: what it gets is nobody else's."""
        if self.mark is None:
            return {}
        return {"Cache-Control": FOREVER if mark_of(self.name) == self.mark else NEVER}


class Text:
    """A text as it is sent, in each encoding. Modules that are asked for with a mark import their neighbours with one."""

    def __init__(self, asked: Asked) -> None:
        path, headers = asked.file.get_path_and_headers({})
        content = Path(path).read_bytes()
        if asked.mark is not None and (mark := mark_of(asked.name)):
            content = _IMPORT.sub(rb"\g<1>.%b\2" % mark.encode(), content)
        self._headers = {**dict(headers), "Vary": "Accept-Encoding"}
        self._contents = {"": content, "br": packed(content, "br"), "gzip": packed(content, "gzip")}

    @property
    def size(self) -> int:
        return sum(map(len, self._contents.values()))

    def answer(self, request: HttpRequest, caching: dict[str, str]) -> HttpResponse:
        encoding = taken(request.headers.get("Accept-Encoding", ""))
        if len(self._contents[encoding]) >= len(self._contents[""]):
            encoding = ""
        content = self._contents[encoding]
        headers = {**self._headers, **caching, "Content-Length": str(len(content))}
        if encoding:
            headers["Content-Encoding"] = encoding
        return HttpResponse(b"" if request.method == "HEAD" else content, headers=headers)


class StaticFiles(WhiteNoiseMiddleware):
    """Middleware that answers for static files and passes everything else on."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._view: Callable[[HttpRequest], Any] = get_response
        self._texts: dict[tuple[str, bool], Text] = {}
        self._left = KEPT
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._acall(request)
        asked = self._asked(request)
        if asked is None:
            passed_on: HttpResponse = self._view(request)
            return passed_on
        if self._is_new_text(asked, request):
            self._keep(asked)
        return self._answer(asked, request)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        asked = self._asked(request)
        if asked is None:
            passed_on: HttpResponse = await self._view(request)
            return passed_on
        if self._is_new_text(asked, request):
            await asyncio.to_thread(self._keep, asked)
        return self._answer(asked, request)

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Whether the name of a file that was collected has its content's hash."""
        return not isinstance(storages["staticfiles"], HashedNames) and bool(super().immutable_file_test(path, url))

    def _asked(self, request: HttpRequest) -> Asked | None:
        """The file, or None. Raises DisallowedHost for a foreign Host, as everything else does."""
        path = request.path_info
        name, mark = path, None
        file = self.find_file(path) if self.autorefresh else self.files.get(path)
        if file is None and (parts := _MARKED.fullmatch(path)) is not None:
            name, mark = parts[1] + parts[3], parts[2]
            file = self.files.get(name)
        if file is None:
            return None
        request.get_host()
        return Asked(file, name.removeprefix(self.static_prefix), mark)

    def _is_new_text(self, asked: Asked, request: HttpRequest) -> bool:
        if self.autorefresh or request.method not in ("GET", "HEAD") or (asked.name, asked.mark is None) in self._texts:
            return False
        if len(asked.file.alternatives) > 1:  # compressed by collectstatic
            return False
        headers = dict(asked.file.get_path_and_headers({})[1])
        size = int(headers["Content-Length"])
        return headers["Content-Type"].startswith(_TEXTS) and size <= min(LARGEST, self._left // 2)

    def _keep(self, asked: Asked) -> None:
        text = Text(asked)
        self._left -= text.size
        self._texts[asked.name, asked.mark is None] = text

    def _answer(self, asked: Asked, request: HttpRequest) -> HttpResponse:
        text = self._texts.get((asked.name, asked.mark is None))
        if text is None or "Range" in request.headers or request.method not in ("GET", "HEAD"):
            return self.serve(asked.file, request, asked.caching)
        if asked.file.is_not_modified(request.META):
            return self.serve(asked.file, request, {**asked.caching, "Vary": "Accept-Encoding"})
        return text.answer(request, asked.caching)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest, more: dict[str, str] | None = None) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as file:
                content = file.read()
        return HttpResponse(content, status=int(found.status), headers={**dict(found.headers), **(more or {})})
