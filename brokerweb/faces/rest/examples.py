"""A request for every type of body, as the page to try calls fills it in: each is accepted as it stands, given its names."""

from __future__ import annotations

from typing import Any

from brokerweb.faces.calls.streams import AppendRequest
from brokerweb.faces.calls.topics import TopicPublishRequest, Transaction
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.settles import SettleRequest
from brokerweb.faces.rest import (
    alert_shapes,
    bulk_shapes,
    definition_shapes,
    job_shapes,
    sample_shapes,
    schema_shapes,
    shapes,
    stream_shapes,
    topic_shapes,
    user_shapes,
)

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
    alert_shapes.RuleRequest: {"figure": "dead", "target": "queue:orders.*", "over": 0, "for": 60},
    alert_shapes.ChannelRequest: {"kind": "webhook", "to": "https://ops.example/alerts"},
    alert_shapes.SilenceRequest: {"target": "queue:orders.*", "seconds": 3600, "reason": "the database is being moved"},
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
    sample_shapes.MarkRequest: {"text": "shop 2.4 is out"},
    shapes.MasksRequest: {"masks": [{"pattern": "queue:orders.*", "fields": ["$.card.number", "header.authorization"]}]},
    schema_shapes.SchemaRequest: {
        "kind": "avro",
        "pattern": "queue:orders.*",
        "source": '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}',
    },
    user_shapes.UserRequest: {"name": "ada", "role": "operator", "pattern": "orders.*"},
    user_shapes.UserChanges: {"grants": [{"role": "viewer", "pattern": "*"}, {"role": "operator", "pattern": "orders.*"}]},
    definition_shapes.DefinitionsRequest: {
        "queues": [{"name": "billing", "max_failures": 5}],
        "topics": [{"name": "shop", "bindings": [_BINDING]}],
        "dry_run": True,
    },
    shapes.TokenRequest: {"name": "shop", "grants": [{"pattern": "queue:orders.*", "verbs": ["publish"]}]},
}
