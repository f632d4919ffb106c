"""Each verdict of a consumer group, and the sentence read."""

from __future__ import annotations

import pytest

from brokerweb.answers import stuck, verdicts
from brokerweb.answers.verdicts import Verdict
from brokerweb.core import clock
from brokerweb.handout import lease, shared_groups
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import engine as engine_of_queues
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.storage.run import perform
from brokerweb.streams import control, engine, groups, membership, positions, progress, stats
from brokerweb.streams.models import GroupPartition
from brokerweb.streams.records import NewRecord
from tests.answers.clients import rels, socket
from tests.clients import Json, Rest
from tests.eventually import eventually
from tests.queues.bench import Time
from tests.server import Server

ROOT = broker_itself()


def why(rest: Rest, stream: str, group: str = "billing") -> Json:
    return dict(rest.call("GET", f"/streams/{stream}/groups/{group}")["verdict"])


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    rest.call("PUT", f"/streams/{name}", {})
    return name


def declare(rest: Rest, stream: str, **settings: object) -> None:
    rest.call("PUT", f"/streams/{stream}/groups/billing", {"start": "earliest", **settings})


def append(rest: Rest, stream: str, n: int) -> None:
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body": i} for i in range(n)]})


# Over REST and WebSocket


def test_idle_and_no_members(rest: Rest, stream: str) -> None:
    declare(rest, stream)
    assert (why(rest, stream)["code"], why(rest, stream)["text"]) == ("idle", "It has read everything there is.")
    append(rest, stream, 3)
    verdict = why(rest, stream)
    assert (verdict["code"], verdict["facts"]) == ("no_members", {"lag": 3, "last_commit_at": None})
    assert verdict["text"] == "Nobody reads in billing, and 3 records are left to read. Nothing was ever committed."
    assert rels(verdict) == ["seek", "group", "stream"]


def test_who_commits_over_rest_reads(rest: Rest, stream: str) -> None:
    declare(rest, stream)
    append(rest, stream, 3)
    rest.call("POST", f"/streams/{stream}/groups/billing/commit", {"offsets": {"0": "2"}})
    assert why(rest, stream)["code"] == "flowing"


def test_trimmed(rest: Rest, stream: str) -> None:
    declare(rest, stream)
    append(rest, stream, 10)
    rest.call("PATCH", f"/streams/{stream}", {"retention_records": 4})
    verdict = eventually(lambda: (found := why(rest, stream))["code"] == "trimmed" and found, timeout=30)
    assert (verdict["facts"]["lost"], verdict["facts"]["also"]) == (6, ["no_members"])
    assert f"Retention of {stream} took 6 records before the group had read them" in verdict["text"]


def test_flowing_and_falling_behind(rest: Rest, server: Server, stream: str) -> None:
    with socket(server, "billing-7") as member:
        sub = member.call("subscribe", stream=stream, group="billing")["sub"]
        eventually(lambda: rest.call("GET", f"/streams/{stream}/groups/billing")["assignment"]["0"] is not None)
        append(rest, stream, 2)
        member.call("commit", sub=sub, offsets={"0": "2"})
        assert why(rest, stream)["code"] == "flowing"
        [seen] = rest.call("GET", f"/streams/{stream}/groups/billing")["members"]
        assert (seen["client"], seen["lag"], seen["silent_since_at"], seen["silent"]) == ("billing-7", 0, None, False)
        assert seen["last_commit_at"] >= seen["joined_at"]
        append(rest, stream, 200)
        verdict = why(rest, stream)
        assert (verdict["code"], verdict["facts"]["lag"]) == ("falling_behind", 200)
        assert "200 records are left to read, and they grow by" in verdict["text"]


def test_failing(rest: Rest, stream: str) -> None:
    declare(rest, stream, kind="shared")
    append(rest, stream, 1)
    answer = rest.http.post(f"/streams/{stream}/groups/billing/receive", json={}, headers={"Client-Name": "till-1"})
    [message] = answer.json()["messages"]
    assert why(rest, stream)["code"] == "flowing"
    nack = {"receipt": message["receipt"], "delay": 60, "error": "no answer"}
    rest.call("POST", f"/streams/{stream}/groups/billing/settle", {"nack": [nack]})
    verdict = why(rest, stream)
    assert verdict["code"] == "failing"
    assert verdict["text"] == "Record 0 of partition 0 has failed 1 of 10 times and is tried again: “no answer”."
    assert (verdict["facts"]["partition"], verdict["facts"]["offset"]) == (0, "0")


def test_a_shared_group_without_consumers(rest: Rest, server: Server, stream: str) -> None:
    declare(rest, stream, kind="shared")
    with socket(server, "till-1") as till:
        till.call("subscribe", stream=stream, group="billing")
    append(rest, stream, 2)
    verdict = eventually(lambda: (found := why(rest, stream))["code"] == "no_members" and found)
    assert verdict["facts"]["last_consumer"] == "till-1"
    assert "2 records are left to read. till-1 was the last" in verdict["text"]


def test_a_list_has_verdicts_where_they_are_asked_for(rest: Rest, stream: str) -> None:
    declare(rest, stream)
    [item] = rest.call("GET", f"/streams/{stream}/groups", None, verdict="true")["items"]
    assert item["verdict"]["code"] == "idle"
    [item] = rest.call("GET", f"/streams/{stream}/groups")["items"]
    assert "verdict" not in item


# What takes a minute, or what no client brings about


class Group:
    """A partitioned group of two partitions, and the member that has both."""

    def __init__(self, time: Time) -> None:
        self.time = time
        shared_groups.install()
        perform(control.declare, "events", {"partitions": 2})
        perform(groups.declare_group, "events", "billing", {"start": "earliest", "session_timeout": 15})
        self.id = perform(groups.find_group, "events", "billing").id

    def join(self, name: str) -> None:
        perform(membership.join, "events", "billing", f"node-1/{name}/1", name="shop", client=name)

    def append(self, n: int, partition: int = 0) -> None:
        perform(engine.append, "events", [NewRecord(b"1", partition=partition) for _ in range(n)])

    def commit(self, **offsets: int) -> None:
        member = {"member": "node-1/billing-7/1"}
        perform(positions.commit, "events", "billing", {int(n[1:]): offset for n, offset in offsets.items()}, **member)

    def why(self) -> Verdict:
        return verdicts.group(ROOT, "events", "billing")


@pytest.fixture
def group(transactional_db: None, time: Time) -> Group:
    stats.stats.__init__()  # type: ignore[misc]  # nothing of other tests
    progress.progress.__init__()  # type: ignore[misc]  # as a process that has just begun
    return Group(time)


def test_silent(group: Group) -> None:
    group.join("billing-7")
    group.append(5, partition=1)
    group.time.advance(60)
    assert group.why().code != "silent"
    group.time.advance(1)
    verdict = group.why()
    assert (verdict.code, verdict.facts["client"], verdict.facts["partitions"]) == ("silent", "billing-7", [1])
    assert verdict.text.startswith("billing-7 has 5 records in partition 1 and has committed nothing for 1 minute.")
    [item] = stuck.stuck(ROOT)
    assert (item.destination, item.group, item.held, item.verdict.code) == ("stream:events", "billing", 5, "silent")
    group.commit(p1=2)
    assert group.why().code != "silent"
    group.time.advance(61)
    assert group.why().facts["last_commit_at"] is not None


def test_members_say_what_is_left_when_they_committed_last_and_since_when_they_are_silent(group: Group) -> None:
    group.join("billing-7")
    group.append(5, partition=1)
    joined = group.time.at
    group.time.advance(61)
    [member] = verdicts.members("events", "billing")
    assert member.share is not None
    assert (member.share.lag, member.committed_at, member.since, member.silent) == (5, None, joined, True)
    group.commit(p1=3)
    committed = group.time.at
    group.time.advance(60)
    [member] = verdicts.members("events", "billing")
    assert (member.committed_at, member.since, member.silent) == (committed, committed, False)
    group.commit(p1=5)
    group.time.advance(3600)
    [member] = verdicts.members("events", "billing")
    assert (member.share, member.committed_at, member.since, member.silent) == (None, committed + 60 * clock.SECOND, None, False)
    group.join("late")
    late = verdicts.members("events", "billing")[1]
    assert (late.member.client, late.committed_at) == ("late", None), "what was committed before it came is not its own"


def test_a_member_whose_records_have_just_come_is_not_silent(group: Group) -> None:
    group.join("billing-7")
    group.append(1)
    group.commit(p0=1)
    group.time.advance(3600)
    assert group.why().code == "idle"
    group.append(1)
    group.time.advance(59)
    assert group.why().code != "silent"


def test_unowned(group: Group) -> None:
    """Members share all partitions there are: no verb leaves one out."""
    group.join("billing-7")
    group.append(3, partition=1)
    GroupPartition.objects.filter(group_id=group.id, member__isnull=False).order_by("partition_id").last()
    last = GroupPartition.objects.filter(group_id=group.id).order_by("-partition_id").values_list("partition_id", flat=True)[0]
    GroupPartition.objects.filter(group_id=group.id, partition_id=last).update(member=None)
    verdict = group.why()
    assert (verdict.code, verdict.facts["partitions"], verdict.facts["lag"]) == ("unowned", [1], 3)
    assert verdict.text == "Partition 1 is with no member, though the group has some: 3 records wait there."
    GroupPartition.objects.filter(group_id=group.id, partition_id=last).delete()
    assert group.why().facts["partitions"] == [1]


def test_what_stands_still_is_on_the_list_worst_first(group: Group) -> None:
    group.append(3)
    perform(groups.declare_group, "events", "mail", {"start": "earliest"})
    perform(positions.commit, "events", "mail", {0: 2})
    assert stuck.stuck(ROOT) == []
    group.time.advance(61)
    assert [(item.group, item.held) for item in stuck.stuck(ROOT)] == [("billing", 3), ("mail", 1)]
    assert [item.group for item in stuck.stuck(ROOT, 1)] == ["billing"]


def test_a_message_of_a_shared_group_is_the_groups_and_not_its_hidden_queues(time: Time, db: None) -> None:
    shared_groups.install()
    perform(control.declare, "events", {})
    perform(groups.declare_group, "events", "mail", {"kind": "shared", "start": "earliest", "max_failures": 1})
    perform(engine.append, "events", [NewRecord(b"1")])
    queue = Queue.objects.get(pk=perform(groups.find_group, "events", "mail").queue_id)
    [leased] = perform(lease.lease, queue.pk, 1, Terms("rest:token:1")).messages
    perform(engine_of_queues.settle, [Settle("nack", str(leased.receipt), error="no")])
    verdict = verdicts.message(ROOT, queue, Message.objects.get(pk=leased.id))
    assert verdict.code == "dead"
    assert [see.href for see in verdict.see] == ["/api/v1/streams/events/groups/mail", "/api/v1/streams/events"]
    assert ".shared" not in str(verdict.as_json())
