"""Answers in fewer bytes, by Brotli or gzip, as the client takes them: pages as they are made, files once.

A secret can be guessed from lengths where one answer holds it beside what a stranger chose, again and again (BREACH). Django
masks CSRF tokens anew in every answer; and what another site makes a browser ask for, without a click, is not compressed at all.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

import brotli
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

SMALLEST, LARGEST = 1024, 8 * 1024 * 1024  # bytes: below it saves nothing, above it takes too long
PAGES, FILES = 4, 9  # how hard Brotli tries: 2 ms for a page of 100 KB, 5 times that
GZIP = 6
OURS = ("", "none", "same-origin")  # who makes a browser ask; old ones do not say


@lru_cache(maxsize=256)
def taken(header: str) -> str:
    """``br`` or ``gzip``, by an Accept-Encoding header; empty where the client takes neither."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        try:
            weights[name.strip()] = float(parameter.partition("=")[2]) if "q=" in parameter else 1.0
        except ValueError:
            continue
    known = [(weights.get(name, 0.0), name) for name in ("gzip", "br")]
    weight, name = max(known, key=lambda found: found[0] if found[1] == "gzip" else found[0] + 0.001 * bool(found[0]))
    return name if weight else ""


def packed(content: bytes, encoding: str, quality: int = FILES) -> bytes:
    """The content in that encoding; the same content is always the same bytes."""
    if encoding == "br":
        return bytes(brotli.compress(content, quality=quality))
    return gzip.compress(content, GZIP, mtime=0)


def compress(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The page in fewer bytes, where that is worth it and safe."""
    patch_vary_headers(response, ("Accept-Encoding",))
    encoding = taken(request.headers.get("Accept-Encoding", ""))
    if encoding and _is_wanted(request) and SMALLEST <= len(response.content) <= LARGEST:
        response.content = packed(response.content, encoding, PAGES)
        response.headers["Content-Encoding"] = encoding
    return response


def _is_wanted(request: HttpRequest) -> bool:
    """Whether a person, or a page of ours, asks."""
    return request.headers.get("Sec-Fetch-Site", "") in OURS or request.headers.get("Sec-Fetch-User") == "?1"
