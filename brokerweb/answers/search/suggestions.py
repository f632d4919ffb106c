"""What a query may go on with: fields, and from what was stored lately the headers, the paths and the keys that there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from brokerweb.answers.search.conditions import fold
from brokerweb.answers.search.grammar import KINDS
from brokerweb.answers.search.search import Hit, Search
from brokerweb.core import json_paths
from brokerweb.core.declared_fields import HEADER, decoded
from brokerweb.core.json_paths import Path
from brokerweb.core.json_values import MISSING
from brokerweb.core.masking import HIDDEN, IN_JSON
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, read
from brokerweb.streams.records import StoredRecord

SAMPLE = 200  # of the newest messages, and as many records
TURNS = 20
MAX_SUGGESTIONS = 50
HIDDEN_EXAMPLES = (HIDDEN, IN_JSON)
DEEPEST, LEAVES, LONGEST = 6, 200, 60  # of one body; characters of an example
_headers = msgspec.json.Decoder(dict[str, str]).decode


class Suggestion(NamedTuple):
    """``text`` begins a condition; ``seen`` in so many of the sample, for example with that value."""

    text: str
    kind: str  # field, header, path or key
    seen: int
    example: str | None


def suggest(principal: Principal, in_: Sequence[str] = (), prefix: str = "") -> list[Suggestion]:
    """What begins with ``prefix``, whatever its case, as far as the asker sees it; the most seen first and fields last.

    Raises Invalid.
    """
    searches = [Search(principal, only, in_) for only in ("attempts>=0", "offset>=0")]  # of messages, and of records
    return read(_suggest, searches, fold(prefix))


def _suggest(reads: Reads, searches: Sequence[Search], prefix: str) -> list[Suggestion]:
    seen, examples = Counter[tuple[str, str]](), dict[tuple[str, str], str]()
    for hit in (hit for search in searches for hit in _sample(reads, search)):
        for kind, text, example in _parts(hit):
            if fold(text).startswith(prefix) and example not in HIDDEN_EXAMPLES:
                seen[kind, text] += 1
                examples.setdefault((kind, text), example[:LONGEST])
    found = [Suggestion(text, kind, n, examples[kind, text]) for (kind, text), n in seen.most_common(MAX_SUGGESTIONS)]
    fields = [Suggestion(f"{name}:", "field", 0, None) for name in KINDS if name.startswith(prefix)]
    return (found + fields)[:MAX_SUGGESTIONS]


def _sample(reads: Reads, search: Search) -> Iterator[Hit]:
    left = SAMPLE
    for _ in range(TURNS):
        if search.over or left <= 0:
            return
        hits, _ = search.turn(reads, left)
        left -= len(hits)
        yield from hits


def _parts(hit: Hit) -> Iterator[tuple[str, str, str]]:
    found = hit.found
    if (found.damaged if isinstance(found, StoredRecord) else not found.intact) or found.redacted is not None:
        return
    if found.key is not None:
        yield "key", f"key:{_value(found.key)}", found.key
    for name, value in (_headers(found.headers) if found.headers else {}).items():
        yield "header", f"{HEADER}{json_paths.named(name)}=", value
    if not found.binary and (body := decoded(found.body)) is not MISSING:
        for n, (path, leaf) in enumerate(_leaves(body, ())):
            if n == LEAVES:
                break
            yield "path", f"{json_paths.spelled(path)}=", _written(leaf)


def _written(leaf: Any) -> str:
    """A value as a condition has it."""
    return str(leaf) if isinstance(leaf, Decimal) else json.dumps(leaf, ensure_ascii=False)


def _value(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if '"' in text or any(map(str.isspace, text)) else text


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """What is neither object nor array, with its path; of an array the first element."""
    if len(path) > DEEPEST:
        return
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for element in value[:1]:
            yield from _leaves(element, (*path, 0))
    elif path:
        yield path, value
