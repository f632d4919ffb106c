"""The hot calls of a stream: append, and read, which waits at the end."""

from __future__ import annotations

from brokerweb.core.errors import Invalid
from brokerweb.delivery.polls.read import Asked
from brokerweb.delivery.polls.read import read as wait_for_records
from brokerweb.faces.calls.call import Call, waiting
from brokerweb.faces.codec import positions, records
from brokerweb.faces.codec.json import Strict, decode
from brokerweb.faces.codec.query import DEFAULT_LIMIT, LIMIT, MAX_WAIT, Parameter, Query
from brokerweb.faces.codec.records import Offset, Records
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import engine
from brokerweb.streams.models import MAX_OFFSET
from brokerweb.streams.reading import MAX_RECORDS
from brokerweb.streams.records import StoredRecord

PARAMETERS = (  # of a read
    Parameter("partition", {"type": "integer", "minimum": 0}, "may be left out where there is only one"),
    Parameter("offset", {"type": "string", "pattern": "^[0-9]{1,13}$"}, "the first offset to read"),
    Parameter("from", {"type": "string"}, "instead of `offset`: `earliest`, `latest`, or an instant (RFC 3339)"),
    LIMIT,
    Parameter(
        "wait", {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}, "seconds to wait for the first record"
    ),
)
_NAMES = tuple(parameter.name for parameter in PARAMETERS)


class AppendRequest(Strict):
    """Records to append, all or none; with `expected_offset` to one partition, which must end just there."""

    records: Records
    expected_offset: Offset | None = None


async def append(call: Call) -> bytes:
    """Store the records of the request, all or none."""
    asked = decode(AppendRequest, call.body)
    expected = None if asked.expected_offset is None else int(asked.expected_offset)
    new = records.to_new(asked.records)
    options = {"expected_offset": expected, "publisher": call.principal.name}
    appended = await aperform(engine.append, call.name, new, cost=len(call.body), **options)
    return b'{"results":%b}' % records.appended(appended)


async def read(call: Call) -> bytes:
    """Records from one offset on; at the end it waits for the first to come, if asked to."""
    query = Query(call.query, _NAMES)
    offset, begin = query.integer("offset", None, 0, MAX_OFFSET), query.text("from")
    if offset is not None and begin is not None:
        raise Invalid.at("/from", "only one of offset and from may be given")
    where = positions.where("earliest" if begin is None else begin)
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_RECORDS) or DEFAULT_LIMIT
    asked = Asked(query.integer("partition", None, 0, MAX_OFFSET), offset, where, limit)
    wait = query.number("wait", 0, 0, MAX_WAIT)
    if wait:
        async with waiting(call) as gone:
            batch = await wait_for_records(call.name, asked, wait=wait, gone=gone)
    else:
        batch = await wait_for_records(call.name, asked)
    content = await _encoded(batch.records, await masks.areader_veil(call.principal, call.name))
    return b'{"records":%b,"next":"%d","low":"%d","end":"%d"}' % (content, batch.next, batch.low, batch.end)


async def _encoded(found: list[StoredRecord], veil: Veil) -> bytes:
    """As JSON; what is hidden is taken out on a reader's thread, since bodies may be long."""
    if not veil:
        return records.encode(found)
    return await aread(lambda _: records.encode([veil.over_record(record) for record in found]))
