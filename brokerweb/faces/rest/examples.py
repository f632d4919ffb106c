"""A request for every type of body, as the page to try calls fills it in: each is accepted as it stands, given its names."""

from __future__ import annotations

from typing import Any

from brokerweb.faces.calls.streams import AppendRequest
from brokerweb.faces.calls.topics import TopicPublishRequest, Transaction
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.settles import SettleRequest
from brokerweb.faces.rest import bulk_shapes, job_shapes, shapes, stream_shapes, topic_shapes

_ORDER = {"order": 1001, "total": 12.5}
_BINDING = {"pattern": "orders.*.created", "to": "queue:billing"}

EXAMPLES: dict[Any, dict[str, Any]] = {
    shapes.QueueSettings: {"lease": 30, "max_failures": 10},
    PublishRequest: {"messages": [{"body": _ORDER, "key": "customer-42", "headers": {"source": "shop"}}]},
    ReceiveRequest: {"max": 10, "wait": 5},
    SettleRequest: {"ack": ["3-118-1"]},
    shapes.Reschedule: {"delay": 60},
    shapes.RequeueRequest: {},
    shapes.PauseRequest: {"reason": "the database is being moved"},
    shapes.Nothing: {},
    shapes.PurgeRequest: {"filter": {"key": "customer-42"}, "dry_run": True},
    bulk_shapes.BulkRequest: bulk_shapes.EXAMPLE,
    shapes.RedriveRequest: {"dry_run": True},
    stream_shapes.StreamSettings: {"partitions": 1, "retention_age": 604_800},
    AppendRequest: {"records": [{"body": _ORDER, "key": "customer-42"}]},
    job_shapes.ReplayRequest: {"from": "earliest", "to": "queue:billing"},
    stream_shapes.GroupSettings: {"kind": "partitioned", "start": "earliest"},
    Commit: {"offsets": {"0": "18"}},
    stream_shapes.SeekRequest: {"to": "earliest", "dry_run": True},
    stream_shapes.RedriveDead: {"dry_run": True},
    topic_shapes.TopicSettings: {"bindings": [_BINDING], "unrouted": "refuse"},
    topic_shapes.BindingsRequest: {"bindings": [_BINDING]},
    TopicPublishRequest: {"messages": [{"body": _ORDER, "routing_key": "orders.eu.created"}]},
    topic_shapes.RouteRequest: {"routing_key": "orders.eu.created"},
    Transaction: {
        "dedup_id": "order-1001",
        "settle": {"orders": {"ack": ["3-118-1"]}},
        "publish": [{"to": "queue:billing", "messages": [{"body": _ORDER}]}],
    },
    shapes.TokenRequest: {"name": "shop", "grants": [{"pattern": "queue:orders.*", "verbs": ["publish"]}]},
}
