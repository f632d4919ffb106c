"""The hot calls of consumer groups: commit; and receive and settle, which shared groups have in its place."""

from __future__ import annotations

import msgspec

from brokerweb.core.errors import Conflict
from brokerweb.faces.calls import queues
from brokerweb.faces.calls.call import Call
from brokerweb.faces.calls.merging import amerged, settling
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.settles import SettleRequest, settled, settles
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import positions
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import find_group


async def commit(call: Call) -> bytes:
    """Everything below these offsets is done."""
    stream, group = call.names
    asked = decode(Commit, call.body)
    offsets = positions.parse_offsets(asked.offsets)
    await aperform(positions.commit, stream, group, offsets, generation=asked.generation, cost=len(call.body))
    return msgspec.json.encode({"committed": {str(number): str(offset) for number, offset in offsets.items()}})


async def receive(call: Call) -> bytes:
    """Lease records, waiting for the first if asked to."""
    return await queues.receive_from(await _queue(call), call)


async def settle(call: Call) -> bytes:
    """Acknowledge, fail, give back, bury or keep records, each receipt by itself."""
    asked = settles(decode(SettleRequest, call.body))
    queue = await _queue(call)
    answers = await amerged(settling(queue=queue), asked, len(call.body))
    return b'{"results":%b}' % settled(answers)


async def _queue(call: Call) -> int:
    """The queue of a shared group. Raises NotFound, Conflict."""
    found = await aread(find_group, *call.names)
    if found.kind != SHARED or found.queue_id is None:
        raise Conflict(f"Group {found.name} is {found.kind}: its records are read by partition.")
    return found.queue_id
