"""Names of queues, streams, topics and groups; destinations; and the globs of grants."""

from __future__ import annotations

import re
from functools import lru_cache

from brokerweb.core.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
NAME_RULE = "1 to 200 of letters, digits, '.', '_', '-', and no '.' at the start"
KINDS = ("queue", "stream", "topic")


def check_name(name: object, pointer: str = "/name") -> str:
    """``name`` if it is one. Raises Invalid."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid.at(pointer, f"a name has {NAME_RULE}")
    return name


def parse_destination(text: object, pointer: str = "/to") -> tuple[str, str]:
    """``queue:NAME`` as (kind, name). Raises Invalid."""
    kind, colon, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon or kind not in KINDS:
        raise Invalid.at(pointer, "a destination is queue:NAME, stream:NAME or topic:NAME")
    return kind, check_name(name, pointer)


@lru_cache(maxsize=4096)
def glob(pattern: str) -> re.Pattern[str]:
    """A full-match glob, ``*`` for any run and ``?`` for one character; everything else is literal.

    Between two ``*`` the first fit is as good as any later one, so each is taken for good (an atomic group): no
    pattern makes matching slow.
    """
    first, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in pattern.split("*"))
    *middle, last = rest or [""]
    between = "".join(f"(?>.*?{part})" for part in middle if part)
    return re.compile(first + between + (".*" if rest else "") + last, re.DOTALL)
