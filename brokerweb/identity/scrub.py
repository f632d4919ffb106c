"""Keeps secrets out of logs: a filter for every handler.

It knows tokens, sign-in codes and invitations by their prefixes, what follows ``Bearer``, headers and JSON members that carry
secrets by name, and the secrets it was told.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "[hidden]"
_SHORTEST = 8  # shorter ones would hide half of every line
_MOST_LEARNT = 100
_learnt: dict[str, None] = {}
_HEADER = r"(?:proxy-)?authorization|set-cookie|cookie|x-csrftoken"
_MEMBER = r"password|token|secret|csrfmiddlewaretoken"
_PATTERNS = (
    (re.compile(r"\bbw[ci]?_[A-Za-z0-9_-]{30,}"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[^\s\"',;<>]+"), rf"\1\2{HIDDEN}"),
    # a header shown as Python or JSON: 'authorization': 'x', (b'cookie', b'x')
    (re.compile(rf"(?i)({_HEADER})(['\"]?\s*[:=,]\s*b?)(['\"])(?:(?!\3).)*\3"), rf"\1\2\3{HIDDEN}\3"),
    # a header as it is sent
    (re.compile(rf"(?i)\b({_HEADER})(\s*:\s*)(?!['\"\s])[^\r\n]+"), rf"\1\2{HIDDEN}"),
    (re.compile(rf"(?i)(['\"](?:{_MEMBER})['\"]\s*:\s*)(['\"])(?:(?!\2).)*\2"), rf"\1\2{HIDDEN}\2"),
    (re.compile(rf"(?i)\b({_MEMBER}|brokerweb_session|brokerweb_csrf|sessionid)=[^\s&;\"']+"), rf"\1={HIDDEN}"),
)
_formatter = logging.Formatter()


def learn(secret: str) -> None:
    """Hide this very text, too, from now on."""
    if len(secret) >= _SHORTEST and len(_learnt) < _MOST_LEARNT:
        _learnt[secret] = None


def scrub(text: str) -> str:
    """``text`` without the secrets in it."""
    for secret in tuple(_learnt):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class Scrub(logging.Filter):
    """Rewrites records that hold secrets, message and traceback; lets all pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        self._scrub_message(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = _formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True

    def _scrub_message(self, record: logging.LogRecord) -> None:
        message = _message(record)
        clean = scrub(message)
        if clean != message:
            record.msg, record.args = clean, None


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit: logging itself reports that, by the handler
        return str(record.msg)
