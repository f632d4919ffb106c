"""What the hot calls declare about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.faces.calls.streams import AppendRequest
from brokerweb.faces.calls.topics import TopicPublishRequest, Transaction
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.settles import SettleRequest
from brokerweb.faces.rest import paging, routing_shapes, shapes, stream_shapes
from brokerweb.faces.rest.operations import Operation, Parameter, Permission, on_queue, on_stream, on_topic
from brokerweb.queues import limits


def _header(name: str, schema: Mapping[str, Any], description: str) -> Parameter:
    return Parameter(name, schema, description, where="header")


RAW_HEADERS = (
    _header("Message-Key", {"type": "string", "maxLength": 255}, "the message's key"),
    _header("Message-Priority", {"type": "integer", "minimum": 0, "maximum": 9}, "4 without it"),
    _header("Message-Delay", {"type": "number", "minimum": 0, "maximum": limits.MAX_DELAY}, "seconds"),
    _header("Message-Ttl", {"type": "number", "minimum": limits.MIN_TTL, "maximum": limits.MAX_TTL}, "seconds"),
    _header("Idempotency-Key", {"type": "string", "maxLength": 255}, "the message's `dedup_id`"),
)

_OFFSET = {"type": "string", "pattern": "^[0-9]{1,13}$"}
READ_PARAMETERS = (
    Parameter("partition", {"type": "integer", "minimum": 0}, "may be left out where there is only one"),
    Parameter("offset", _OFFSET, "the first offset to read"),
    Parameter("from", {"type": "string"}, "instead of `offset`: `earliest`, `latest`, or an instant (RFC 3339)"),
    paging.LIMIT,
    Parameter("wait", {"type": "number", "minimum": 0, "maximum": 20, "default": 0}, "seconds to wait for the first record"),
)
TRANSACT = Permission(
    "`consume` on every queue settled and every stream committed, and `publish` on every destination",
    lambda principal, named: None,
)

OPERATIONS = {
    "POST queues/messages": Operation(
        "publishMessages",
        on_queue("publish"),
        "Publish messages",
        {201: shapes.PublishAnswer},
        request=PublishRequest,
        errors=("not_found", "queue_full"),
        description="All or none; answered after the commit that stores them.",
        tag="messages",
    ),
    "POST queues/raw": Operation(
        "publishRaw",
        on_queue("publish"),
        "Publish the request's body as one message",
        {201: shapes.PublishAnswer},
        raw=True,
        parameters=RAW_HEADERS,
        errors=("not_found", "queue_full"),
        description="`Content-Type` is the message's type: JSON types become `body`, others `body_base64`. "
        "`Message-Header-NAME` becomes the header NAME, in lower case.",
        tag="messages",
    ),
    "POST queues/receive": Operation(
        "receiveMessages",
        on_queue("consume"),
        "Receive messages",
        {200: shapes.ReceiveAnswer},
        request=ReceiveRequest,
        request_required=False,
        errors=("not_found",),
        description="Leases them; empty when there is nothing within `wait`. With `ack` `none` they are gone with the hand-out.",
        tag="messages",
    ),
    "POST queues/settle": Operation(
        "settleMessages",
        on_queue("consume"),
        "Settle messages",
        {200: shapes.SettleAnswer},
        request=SettleRequest,
        errors=("not_found",),
        description="Each receipt by itself; a receipt that is not that of a running lease is `lease_lost`.",
        tag="messages",
    ),
    "POST streams/records": Operation(
        "appendRecords",
        on_stream("publish"),
        "Append records",
        {201: stream_shapes.AppendAnswer},
        request=AppendRequest,
        errors=("not_found", "conflict"),
        description="All or none, in order within each partition. A record goes to its `partition`, else to that of its `key`, "
        "else round robin. With `expected_offset` all must go to one partition whose end equals it; else 409 with `end`.",
        tag="streams",
    ),
    "GET streams/records": Operation(
        "readRecords",
        on_stream("browse"),
        "Read records",
        {200: stream_shapes.Records},
        parameters=READ_PARAMETERS,
        errors=("not_found", "offset_out_of_range"),
        description="From `offset`, or from `from`, which is `earliest` without either. At the end it waits for the first new "
        "record. An offset below `low` or beyond `end` is 416 with both; where compaction removed it, the next one there is.",
        tag="streams",
    ),
    "POST streams/groups/commit": Operation(
        "commitGroup",
        on_stream("consume"),
        "Commit a group's positions",
        {200: stream_shapes.CommitAnswer},
        request=Commit,
        errors=("not_found", "conflict", "offset_out_of_range"),
        description="The next offset to read, by partition. Below what is committed, or of an old generation, it is 409; beyond "
        "the end 416.",
        tag="groups",
    ),
    "POST streams/groups/receive": Operation(
        "receiveRecords",
        on_stream("consume"),
        "Receive records of a shared group",
        {200: stream_shapes.GroupReceiveAnswer},
        request=ReceiveRequest,
        request_required=False,
        errors=("not_found", "conflict"),
        description="Leases them one by one, as from a queue. A partitioned group is 409.",
        tag="groups",
    ),
    "POST streams/groups/settle": Operation(
        "settleRecords",
        on_stream("consume"),
        "Settle records of a shared group",
        {200: shapes.SettleAnswer},
        request=SettleRequest,
        errors=("not_found", "conflict"),
        description="Each receipt by itself, as those of a queue.",
        tag="groups",
    ),
    "POST topics/messages": Operation(
        "publishToTopic",
        on_topic("publish"),
        "Publish messages to a topic",
        {201: routing_shapes.TopicPublishAnswer},
        request=TopicPublishRequest,
        errors=("not_found", "unroutable", "queue_full", "conflict"),
        description="Every copy of every message is stored in one commit; a copy that is refused refuses all.",
        tag="topics",
    ),
    "POST transact": Operation(
        "transact",
        TRANSACT,
        "Settle, commit and publish, all or nothing",
        {200: routing_shapes.TransactAnswer},
        request=Transaction,
        errors=("not_found", "conflict", "lease_lost", "offset_out_of_range", "unroutable", "queue_full"),
        description="In one commit. The error of the first part that fails has `pointer`, which names it; nothing happened then.",
        tag="transactions",
    ),
}
