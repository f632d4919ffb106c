"""Arguments for statements of any kind: parameters of one name mean one thing in all of them, with few exceptions."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from django.db import connection

from brokerweb.storage.statements import Statement

TEXTS = ["d", "k", "ké", "orders", "events", "a", "shop", "news", None]
VALUES: list[tuple[list[Any], str]] = [
    (TEXTS, "name kind start answer routed pattern dedup_id owner member next_owner holder headers content_type reply_to"),
    (TEXTS, "correlation_id redacted publisher route key error last_error reason consumer address boot client connection node"),
    (TEXTS, "actor detail token document"),
    (["acked", "purged"], "outcome event"),
    (TEXTS, "fingerprint destination item code stood"),
    (["", "here"], "presence"),
    ([0, 1, 2, 3], "state retimed revived restored"),
    ([0, 1], "scheduled ready blocked leased dead kept"),
    ([0, 1, 2, 1 << 40, 2 << 40 | 3, 2**62], "first beyond id"),
    (["[1099511627776,2199023255555]", "[0,1099511627779]"], "firsts"),
    (["[0,2]", "[1,3]"], "froms"),
    (["[3,9]", "[2,4]"], "beyonds"),
    ([0.5, 1.2345678, 30.0], "ttl session_timeout"),
    ([True, False], "alone holds_key binary slept indexed"),
    ([1000], "limit after"),
    ([None, 10**15], "deliver_at"),
    ([0, 9], "priority"),
    ([b"\x00\xff", b"1"], "body packed"),
    (["[1,2,3,4,5,6,7]"], "queues keeping streams fields"),
    (['["d","x"]'], "dedup_ids"),
    (["[0,1,2,4]", "[4]"], "states"),
    (["n1e0", "sx"], "value"),
    ([1, 2, 9, 17], "series bucket"),
    ([1, 2, 120, 121], "tick hour"),
    (["[1]", "[0,1,9,17]"], "several buckets"),
    (["[120,121]", "[1,120]"], "ticks"),
    (["[1,2,3]"], "groups"),
    (["[0,0,0,0,0,0,0,0,0,0]", "[0,0,0,0,0,2,0,0,0,9]"], "lows"),
    (['["d","k"]', '["k","ké"]'], "dedup_ids keys"),
]
NUMBERS = [0, 1, 2, 3, 4]  # what the others are
NODES = ["node-1", "node-2"]
BY_NAME = {name: values for values, names in VALUES for name in names.split()}
OF_TIME = {"now", "until", "since", "due", "due_at", "expires", "published", "before", "at", "ready_until", "wall", "instant"}
OF_TIME |= {"alive", "leased_at", "consumed_at", "settled_at", "forget", "finished"}
INSTANTS = [-10_000_000, 0, 1, 31_000_000, 100_000_000, 10**12]  # from now
# Where a name means something else than elsewhere, or a statement would have nothing to do; a text is another column below.
SPECIAL: dict[str, dict[str, list[Any] | str]] = {
    "begin": {"name": ["node-1", "node-2"]},
    "see": {"name": ["node-1"], "presence": [""], "told": TEXTS},
    "bury": {"name": ["node-2"], "presence": ["here"]},
    "forget_node": {"name": ["node-1", "node-2"]},
    "lease of cluster": {"duty": ["duties"]},
    "take": {"duty": ["duties", "x"], "node": NODES},
    "give_up": {"duty": ["duties"], "node": NODES},
    "report": {"node": NODES, "told": TEXTS},
    "reported": {"node": ["node-1"]},
    "report_of": {"node": ["node-2"]},
    "forget_report": {"node": ["node-2"]},
    "connect": {"connection": ["c1", "c2"], "node": NODES, "told": TEXTS},
    "disconnect": {"connection": ["c1", "c2"]},
    "forget_connected": {"node": ["node-2"]},
    "connected": {"node": ["node-1"], "past": ["", "b", "d"]},
    "busiest": {"node": ["node-1"]},
    "connection": {"connection": ["c1", "c2"]},
    "close of cluster": {"connection": ["c1", "c2"]},
    "closing": {"node": ["node-2"]},
    "guess": {"digest": ["d1", "d2"]},
    "forgive": {"digest": ["d1", "d2"]},
    "take_back": {"digest": ["d1", "d2"]},
    "activity_since": {"since": [0, 1, 2]},
    "end": {"name": ["node-1"], "presence": ["", "here"]},
    "counted_among": {"n": [1, 2, 9]},
    "find_queue": {"name": ["orders", "x"]},
    "find_stream": {"name": ["events"]},
    "transacted": {"owner": ["shop"], "dedup_id": ["d"]},
    "remembered": {"dedup_id": ["d"]},
    "promote": {"id": "scheduled", "queue": "scheduled_queue"},
    "fall_due": {"id": "stated", "queue": "stated_queue", "stated": "stated_at"},
    "join_key": {"id": "scheduled", "queue": "scheduled_queue"},
    "id_of_queue": {"name": ["orders", "x"]},
    "forget_one": {"dedup_id": ["d"]},
    "trim_steps": {"kept": [0, 1]},
    "unblock": {"queue": "keyed", "key": ["other"]},
    "forget_latest": {"key": ["ké"], "offset": "latest"},
    "weigh": {"ids": "its_records"},
    "redact of queues": {"message": "id", "queue": "queue"},
    "add_value of queues": {"message": "id", "queue": "queue"},
    "insert of queues": {"id": [99, 100]},
    "insert_content": {"message": [99, 100]},
    "contents of streams": {"id": "record"},
    "redact of streams": {"id": "record"},
    "copies": {"after": [0], "route": "made_of"},
    "remove of streams": {"ids": "its_records"},
    "forget_contents_between": {"first": [1, 2], "last": [3], "queue": [1]},
    "many_rows": {"rows": [0, 1]},
    "find_group": {"stream": ["events", "x"], "group": ["partitioned", "shared", "x"]},
    "groups_by_name": {"after": ["", "m"]},
    "matching": {"after": [0, 3], "until": [2**62]},
    "name_cause": {"id": "nameless", "queue": "nameless_at"},
    "transfers": {"after": [0]},
    "of_cause": {"after": [0], "until": [2**62], "fingerprint": "made_for"},
    "of_cause_desc": {"after": [2**62], "until": [0], "fingerprint": "made_for"},
    "cause_summary": {"fingerprint": "made_for"},
    "matching_desc": {"after": [2**62, 9], "until": [0]},
    "with_key": {"after": [0, 3], "until": [2**62]},
    "with_key_desc": {"after": [2**62, 9], "until": [0]},
    "in_flight": {"after": [0, 1], "holder": [None, "d", "rest"]},
    "sweep": {"after": [0, 3]},
    "bind": {"to": TEXTS},
    "pause": {"by": ["shop"]},
    "walk_contents": {"headers": ["%é%", None], "body": ["%B%", "%4%", None]},
    "listed_contents": {"headers": ["%é%", None], "body": ["%B%", "%4%", None]},
    "records of search": {"headers": ["%X%", None], "body": ["%1%", None]},
    "kept": {"headers": ["%é%", None], "body": ["%B%", "%4%", None], "error": ["%B%", None]},
    "kept_messages": {"ids": "kept_ids"},
    "kept_of_cause": {"queue": "kept_queue", "fingerprint": "kept_cause", "first": [0], "beyond": [2**62]},
    "of_key": {"queue": "keyed", "key": ["other", "k"], "first": [0, 1], "beyond": [2**62]},
    "kept_of_key": {"queue": "kept_queue", "key": ["k"], "first": [0, 1], "beyond": [2**62]},
    "queues_of_key": {"key": ["k", "other"], "first": [0, 1], "beyond": [2**62]},
    "kept_called": {"ids": [str(list(range(1, 40))).replace(" ", "")]},
    "walk of search": {"error": ["%B%", None]},
    "listed": {"error": ["%B%", None]},
    "messages": {"ids": ["[9,3,2]"]},
    "appended": {"ids": "records"},
    "set_taken": {"id": NUMBERS},
    "set_indexed": {"id": NUMBERS},
    "remove_field": {"id": [*NUMBERS, 5, 6]},
    "indexed": {"name": ["$.a"]},
    "drop_field": {"name": ["$.a"], "queue": "searched"},
    "keep": {"id": [99, 100], "message": [99, 100]},
    "keep_all": {"n": [1], "attempts": "attempts"},
    "keep_held": {"held": "held"},
    "keep_moved": {"copy": [99, 100]},
    "copy_content": {"copy": [99, 100]},
    "walk": {"after": [0, 3]},
    "sweep_kept": {"after": [0, 3]},
    "gone": {"last": "event"},
    "mark of queues": {"last": "unmarked"},
    "trim_events": {"kept": [0, 1], "most": [1, 100], "message": "told"},
    "forget_history": {"most": [1, 100]},
    "redact_events": {"message": "told"},
    "known": {"message": "told", "queue": "told_queue"},
    "relatives": {"family": "family"},
    "note_publisher": {"kind": ["queue", "topic"], "name": ["", "till"]},
    "publishers_of": {"kind": ["queue", "topic"], "since": [0]},
    "publishers": {"since": [0]},
    "crowd_of_publishers": {"kept": [0, 1]},
    "unkeep": {"queue": "kept_queue", "message": "kept_message"},
    "say_kept": {"queue": "kept_queue", "message": "kept_message"},
    "kept_contents": {"queue": "kept_queue", "message": "kept_message"},
    "kept_of": {"queue": "kept_queue"},
    "kept_copies": {"message": "moved"},
    "forget_kept_error": {"id": "kept_number", "queue": "kept_where"},
    "drop_kept": {"ids": "kept_ids", "queue": "kept_queue"},
    "forget_events": {"ids": "told_ids"},
    "fresh": {"first": [0, 121], "last": [120, 200]},
    "forget_fresh": {"last": [119, 120]},
    "hours": {"first": [0, 2], "last": [1, 9]},
    "hours_of": {"first": [0, 2], "last": [1, 9]},
    "most_of": {"first": [0, 2], "last": [1, 9]},
    "forget_hours": {"last": [0, 1], "limit": [1, 100]},
    "keep_hour": {"depth": NUMBERS},
    "mark of cluster": {"text": ["x", "é"], "kind": ["note"], "target": ["queue:orders", None]},
    "crowd": {"kept": [0, 1, 9]},
    "put": {"document": ["{}", '{"é":1}']},
    "of": {"message": "resulted"},
    "postpone": {"ids": "resulted_ids"},
    "drop of queues": {"ids": "resulted_ids"},
    "losses": {"message": "lost", "queue": "lost_queue"},
}
ABOUT_MESSAGES = """
    SELECT id, id AS message, queue_id AS queue, state, attempts, "key", queue_id AS target, 1 AS n, '[' || id || ']' AS ids,
      route AS made_of, fingerprint AS made_for, '[[' || id || ',' || attempts || ']]' AS held,
      (SELECT max(id) FROM brokerweb_queues_messageevent) AS event,
      (SELECT max(id) FROM brokerweb_queues_messageevent WHERE forget_at IS NULL) AS unmarked,
      (SELECT min(queue_id) FROM brokerweb_queues_messageevent) AS told_queue,
      (SELECT min(message_id) FROM brokerweb_queues_messageevent WHERE error IS NOT NULL) AS told,
      (SELECT '[' || min(message_id) || ']' FROM brokerweb_queues_messageevent) AS told_ids,
      (SELECT message_id FROM brokerweb_queues_settledmessage WHERE outcome = 'moved') AS moved,
      (SELECT max(family) FROM brokerweb_queues_content) AS family,
      (SELECT min(queue_id) FROM brokerweb_queues_settledmessage) AS kept_queue,
      (SELECT min(message_id) FROM brokerweb_queues_settledmessage WHERE last_error IS NOT NULL) AS kept_message,
      (SELECT min(id) FROM brokerweb_queues_settledmessage WHERE last_error IS NOT NULL) AS kept_number,
      (SELECT queue_id FROM brokerweb_queues_settledmessage WHERE last_error IS NOT NULL ORDER BY id LIMIT 1) AS kept_where,
      (SELECT '[' || min(id) || ']' FROM brokerweb_queues_settledmessage) AS kept_ids,
      (SELECT max(fingerprint) FROM brokerweb_queues_settledmessage) AS kept_cause,
      (SELECT min(message_id) FROM brokerweb_queues_result) AS resulted,
      (SELECT '[' || min(message_id) || ',' || max(message_id) || ']' FROM brokerweb_queues_result) AS resulted_ids,
      (SELECT min(message_id) FROM brokerweb_queues_failure WHERE kind = 'consumer_lost') AS lost,
      (SELECT min(queue_id) FROM brokerweb_queues_failure WHERE kind = 'consumer_lost') AS lost_queue,
      (SELECT min(id) FROM brokerweb_queues_message WHERE state = 0) AS scheduled,
      (SELECT queue_id FROM brokerweb_queues_message WHERE state = 0 ORDER BY id LIMIT 1) AS scheduled_queue,
      (SELECT min(id) FROM brokerweb_queues_message WHERE deliver_at IS NOT NULL) AS stated,
      (SELECT queue_id FROM brokerweb_queues_message WHERE deliver_at IS NOT NULL ORDER BY id LIMIT 1) AS stated_queue,
      (SELECT deliver_at FROM brokerweb_queues_message WHERE deliver_at IS NOT NULL ORDER BY id LIMIT 1) AS stated_at,
      (SELECT min(id) FROM brokerweb_queues_message WHERE state = 4 AND fingerprint IS NULL) AS nameless,
      (SELECT queue_id FROM brokerweb_queues_message WHERE state = 4 AND fingerprint IS NULL ORDER BY id LIMIT 1) AS nameless_at,
      (SELECT id FROM brokerweb_queues_queue WHERE name = 'keyed') AS keyed,
      (SELECT id FROM brokerweb_queues_queue WHERE name = 'searched') AS searched,
      (SELECT '[' || max(id) || ',' || min(id) || ']' FROM brokerweb_streams_record) AS records
    FROM brokerweb_queues_message"""
ABOUT_STREAMS = """
    SELECT x.group_id AS "group", p.id AS partition, p.stream_id AS stream, p.number, x.committed AS origin, x.member, p.id,
      x.generation, p.next_offset AS "end", p.low_offset AS low, p.id << 40 AS first, (p.id + 1) << 40 AS beyond,
      p.id << 40 | p.next_offset - 1 AS record, '[' || (p.id << 40 | p.next_offset - 1) || ']' AS its_records,
      (SELECT max("offset") FROM brokerweb_streams_latestkey WHERE partition_id = p.id) AS latest
    FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id"""


class Draws:
    """Arguments for statements, mostly of one message or of one place of a group; the same ones every time, whichever others
    there are."""

    def __init__(self, now: int) -> None:
        self.random, self.now = random.Random(), now
        self.drawn = Counter[str]()
        self.about = {"queues": _dicts(ABOUT_MESSAGES), "streams": _dicts(ABOUT_STREAMS)}

    def args(self, room: str, statement: Statement) -> list[Any]:
        key = f"{statement.name} of {room}"
        self.random.seed(f"{key} {self.drawn[key]}")
        self.drawn[key] += 1
        context = self.random.choice(self.about.get(room, self.about["queues"]))
        special = SPECIAL.get(key) or SPECIAL.get(statement.name, {})
        values = {param: self._value(param, context, special.get(param)) for param in statement.params}
        return list((values | self._of_one_partition(statement)).values())

    def _of_one_partition(self, statement: Statement) -> dict[str, Any]:
        """A range of records, where a statement names their partition as that of the first."""
        if "first" not in statement.params or "partition_id = $1 >> 40" not in statement.text["postgres"]:
            return {}
        place, choose = self.random.choice(self.about["streams"]), self.random.choice
        return {"first": place["first"] + choose([0, 1, 3]), "beyond": choose([place["first"] + 2, place["beyond"]])}

    def _value(self, param: str, context: dict[str, Any], special: list[Any] | str | None) -> Any:
        choose = self.random.choice
        if special is not None:
            return context[special] if isinstance(special, str) else choose(special)
        if param in context and self.random.random() < 0.8:
            return context[param]
        if param == "ids":
            return str([context["id"] for context in self.random.sample(self.about["queues"], 3)]).replace(" ", "")
        return self.now + choose(INSTANTS) if param in OF_TIME else choose(BY_NAME.get(param, NUMBERS))


def _dicts(query: str) -> list[dict[str, Any]]:
    cursor = connection.connection.execute(query)
    return [dict(zip((name for name, *_ in cursor.description), row, strict=True)) for row in cursor.fetchall()]
