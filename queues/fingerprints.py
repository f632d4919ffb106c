"""Causes of death told apart: the reason and the telling line of the error, without what differs from one case to the next."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from brokerweb.queues.limits import TRACEBACK

BYTES = 8
_QUOTED = r"""\"(?:[^\"\\]|\\.)*\"|(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|`[^`]*`|“[^”]*”|«[^»]*»"""
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
# Of a URL it is what follows the host.
_PATH = r"""(?<![/\\])(?:\b[a-z]:|\.{1,2}|~)?[/\\][^\s/\\:;,()\[\]{}<>'\"`][^\s:;,()\[\]{}<>'\"`]*"""
# Four letters and more are a number only with a digit among them, or "dead" and "face" were none.
_HEXADECIMAL = r"0x[0-9a-f]+|(?<![a-z0-9])(?:(?=[a-f]*[0-9])[0-9a-f]{4,}|[0-9a-f]{8,})(?![a-z0-9])"
_NUMBER = r"(?:(?<!\w)[-+])?\d+(?:[.,:]\d+)*"
_VARIES = re.compile("|".join((_QUOTED, _UUID, _PATH, _HEXADECIMAL, _NUMBER)))


@lru_cache(maxsize=256)
def of(reason: str, error: str | None) -> str:
    """The fingerprint, 16 hexadecimals, of a death with that reason and error."""
    text = f"{reason}\0{common(telling_line(error))}"
    return blake2b(text.encode(errors="replace"), digest_size=BYTES).hexdigest()


def telling_line(error: str | None) -> str:
    """The line that says what went wrong: of a traceback the last, of anything else the first."""
    lines = [line for line in map(str.strip, (error or "").splitlines()) if line]
    if not lines:
        return ""
    return lines[-1] if TRACEBACK in (error or "") else lines[0]


def common(line: str) -> str:
    """What a line has in common with others of its cause: digits, hexadecimals, uuids, quoted text and paths are ``?``."""
    return " ".join(_VARIES.sub("?", line.lower()).split())
