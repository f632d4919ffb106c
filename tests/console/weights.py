"""What pages weigh: the bytes that a browser loads, as they come over the wire. What may be kept for good it loads once."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx

LINK = re.compile(r'(?:src|href)="(/static/[^"]+)"')
IMPORT = re.compile(r'(?:from|import)\s*\(?"(\./[^"]+)"')
KIB = 1024


class Loading:
    """A browser whose cache is empty at first."""

    def __init__(self, url: str, cookies: Mapping[str, str]) -> None:
        headers = {"Accept-Encoding": "gzip, deflate, br"}
        self.client = httpx.Client(base_url=url, headers=headers, cookies=dict(cookies), verify=False, timeout=30)
        self.kept: set[str] = set()

    def page(self, place: str) -> tuple[int, str]:
        """The bytes of a page with all that it loads, and its text."""
        size, text = self._load(place)
        waiting = LINK.findall(text)
        while waiting:
            found = waiting.pop()
            if found not in self.kept:
                self.kept.add(found)
                more, content = self._load(found)
                size += more
                if found.endswith(".js"):
                    waiting += [found.rpartition("/")[0] + name[1:] for name in IMPORT.findall(content)]
        return size, text

    def _load(self, place: str) -> tuple[int, str]:
        with self.client.stream("GET", place) as answer:
            text = answer.read().decode()
            head = sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
            return head + answer.num_bytes_downloaded, text
