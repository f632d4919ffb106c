"""A message or record that is there, as a form to publish another like it."""

from __future__ import annotations

import json
import re
from typing import Any

from brokerweb.answers.absent import absent
from brokerweb.console.contents import check_intact
from brokerweb.console.editable import Editable
from brokerweb.console.lines import of_headers
from brokerweb.console.publishing.forms import line_ends_of
from brokerweb.core.errors import Invalid, NotFound, TooLarge
from brokerweb.core.settings import plain
from brokerweb.handout import shared_groups
from brokerweb.identity import masks
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, settled
from brokerweb.queues.models import Message
from brokerweb.queues.represent import veil_of
from brokerweb.storage.reading import lenient, read
from brokerweb.streams import reading
from brokerweb.streams.definitions import load
from brokerweb.streams.models import MAX_OFFSET, Record

LONGEST = 256 * 1024  # bytes of a body that a form takes
LIKE_IT = "To publish another like it"
COPIED = ("content_type", "key", "reply_to", "correlation_id")
_MESSAGE = re.compile(r"queue:([A-Za-z0-9._-]{1,200})/([0-9]{1,18})")
_IN_GROUP = re.compile(r"stream:([A-Za-z0-9._-]{1,200})/([A-Za-z0-9._-]{1,200})/([0-9]{1,18})")
_RECORD = re.compile(r"stream:([A-Za-z0-9._-]{1,200})/([0-9]{1,9})-([0-9]{1,13})")


def fields(principal: Principal, source: str) -> dict[str, Any]:
    """The fields of a form that publishes another of ``source``: ``queue:NAME/ID``, ``stream:NAME/PARTITION-OFFSET``, or
    ``stream:NAME/GROUP/ID`` for the copy that a shared consumer group has.

    Its own time to be due, and the id by which it was known, are not among them. Raises Invalid, Forbidden, NotFound; Conflict
    for a damaged one; TooLarge.
    """
    if known := _MESSAGE.fullmatch(source):
        found = _message(principal, known[1], int(known[2]))
        more = {"priority": found.priority, "ttl": plain(found.ttl) if isinstance(found, Message) else None}
    elif known := _IN_GROUP.fullmatch(source):
        found = _in_group(principal, known[1], known[2], int(known[3]))
        partition = (found.route or "").partition("-")[0]
        more = {"partition": int(partition) if partition.isdecimal() else None}
    elif known := _RECORD.fullmatch(source):
        found, more = _record(principal, known[1], int(known[2]), int(known[3])), {"partition": int(known[2])}
    else:
        raise Invalid.at("/like", "queue:NAME/ID, stream:NAME/PARTITION-OFFSET, or stream:NAME/GROUP/ID")
    check_intact(found)
    if len(found.body) > LONGEST:
        raise TooLarge("The body is too long for a form: download it, and publish it through the API.")
    body, kind, line_end = Editable.of(bytes(found.body), found.binary)
    copied = {name: getattr(found, name) for name in COPIED}
    headers = of_headers(json.loads(found.headers or "{}"))
    return {"body": body, "kind": kind, "line_ends": line_ends_of(line_end), "headers": headers, **copied, **more}


def _message(principal: Principal, name: str, message_id: int) -> Any:
    principal.require("browse", "queue", name)
    queue = browse.find(name)
    veil = veil_of(principal, queue)
    veil.require_all(LIKE_IT)
    try:
        return browse.read(queue, message_id)[0]
    except NotFound:
        kept = settled.read(queue, message_id)
    if kept is None:
        raise absent(queue, message_id, veil, may=principal.may)
    return kept[0]


def _in_group(principal: Principal, stream: str, group: str, message_id: int) -> Any:
    principal.require("browse", "stream", stream)
    masks.veil(principal, "stream", stream).require_all(LIKE_IT)
    return browse.read(read(shared_groups.queue_of, stream, group), message_id)[0]


def _record(principal: Principal, name: str, partition: int, offset: int) -> Any:
    principal.require("browse", "stream", name)
    masks.veil(principal, "stream", name).require_all(LIKE_IT)
    row = read(load, name).partition(partition)
    reading.check_range(row, offset)
    with lenient():
        record = Record.objects.filter(pk=row.record_id(min(offset, MAX_OFFSET))).first()
    if record is None:
        raise NotFound(f"Offset {offset} of partition {partition} is not there.")
    return record
