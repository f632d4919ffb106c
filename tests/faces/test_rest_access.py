"""Who may make which call: every operation of the document, tried by everybody; and tokens, connections, metrics."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from brokerweb.faces.rest import shapes
from brokerweb.faces.rest.openapi import calls
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_queues import refusal
from tests.server import ROOT, TOKEN, Server

# What each call needs. A call that is not here fails the test below, so that none goes in without a decision.
NEEDS = {
    "listQueues": "anyone", "declareQueue": "manage", "changeQueue": "manage", "readQueue": "browse", "deleteQueue": "manage",
    "publishMessages": "publish", "publishRaw": "publish", "receiveMessages": "consume", "settleMessages": "consume",
    "browseMessages": "browse", "readMessage": "browse", "rescheduleMessage": "manage", "deleteMessage": "manage",
    "requeueMessage": "manage", "redactMessage": "manage", "redactRecord": "manage",
    "pauseQueue": "manage", "resumeQueue": "manage", "purgeQueue": "manage", "redriveQueue": "manage",
    "createToken": "admin", "listTokens": "admin", "revokeToken": "admin", "listConnections": "admin", "closeConnection": "admin",
    "listNodes": "admin", "listAudit": "admin", "readMasks": "admin", "putMasks": "admin",
    "listSchemas": "admin", "readSchema": "admin", "declareSchema": "admin", "deleteSchema": "admin",
    "listAlertRules": "admin", "declareAlertRule": "admin", "deleteAlertRule": "admin", "listAlertChannels": "admin",
    "readAlertRule": "admin", "readAlertChannel": "admin",
    "declareAlertChannel": "admin", "deleteAlertChannel": "admin", "testAlertChannel": "admin", "listAlertSilences": "admin",
    "beginAlertSilence": "admin", "endAlertSilence": "admin", "readDefinitions": "admin", "putDefinitions": "admin",
    "listUsers": "admin", "createUser": "admin", "readUser": "admin", "changeUser": "admin", "deleteUser": "admin",
    "inviteUser": "admin",
    "listStreams": "anyone", "declareStream": "manage", "changeStream": "manage", "readStream": "browse",
    "deleteStream": "manage", "appendRecords": "publish", "readRecords": "browse", "followStream": "browse",
    "listGroups": "browse", "declareGroup": "manage", "readGroup": "browse", "deleteGroup": "manage", "commitGroup": "consume",
    "seekGroup": "manage", "undoSeek": "manage", "receiveRecords": "consume", "settleRecords": "consume",
    "browseDeadRecords": "browse", "redriveDeadRecords": "manage",
    "addBindings": "manage", "removeBindings": "manage",
    "listTopics": "anyone", "declareTopic": "manage", "changeTopic": "manage", "readTopic": "browse", "deleteTopic": "manage",
    "publishToTopic": "publish", "routeMessage": "browse",
    "search": "anyone", "exportFound": "anyone", "suggestConditions": "anyone",  # what is found is what one may browse
    "transact": "anyone",  # what it needs is in its body
    "listJobs": "anyone", "readJob": "anyone", "cancelJob": "anyone", "replayStream": "manage",
    "listStuck": "anyone", "readTopology": "anyone",
    "sampleQueue": "browse", "sampleStream": "browse", "sampleGroup": "browse", "sampleTopic": "browse",
    "sampleAll": "anyone", "listMarks": "anyone", "listAlerts": "anyone",  # of what one may browse
    "noteMark": "anyone",  # what it needs is in its body
    "listCauses": "anyone", "listCausesOfQueue": "browse",
    "actOnMany": "anyone", "listFailed": "anyone", "undoJob": "anyone",  # on what the body or the job names
}  # fmt: skip
CALLS = [(path, method, described) for path, method, described in calls()]
KINDS = {"{q}": "queue", "{s}": "stream", "{t}": "topic"}  # what a path names
ONE_VERB = ("publish", "consume", "browse", "manage", "monitor")


def test_every_call_has_a_decision_about_who_may() -> None:
    assert {described.id for _, _, described in CALLS} == set(NEEDS)


def made(rest: Rest, *grants: tuple[str, list[str]], **more: Any) -> dict[str, Any]:
    """A token with these grants."""
    wanted = [{"pattern": pattern, "verbs": verbs} for pattern, verbs in grants]
    return dict(rest.call("POST", "/tokens", {"name": f"t-{secrets.token_hex(3)}", "grants": wanted, **more}))


@pytest.fixture(scope="session")
def holders(rest: Rest, server: Server) -> Iterator[dict[str, httpx.Client]]:
    """A client for every role: what it holds on ``mine.*``, or on other names, or nothing, or a wrong token, or none."""
    tokens = {verb: made(rest, ("mine.*", [verb]))["token"] for verb in ONE_VERB}
    tokens |= {"other names": made(rest, ("queue:theirs.*", ["publish", "consume", "browse", "manage"]))["token"]}
    tokens |= {f"manage on each {kind}": made(rest, (f"{kind}:mine.*", ["manage"]))["token"] for kind in KINDS.values()}
    tokens |= {"no grants": made(rest)["token"], "wrong": "wrong"}
    clients = {
        role: httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {text}"}) for role, text in tokens.items()
    } | {"anonymous": httpx.Client(base_url=server.url)}
    yield clients
    for client in clients.values():
        client.close()


@pytest.mark.parametrize(("path", "method", "described"), CALLS, ids=[described.id for _, _, described in CALLS])
@pytest.mark.parametrize("exists", [True, False])
def test_each_call_is_refused_to_all_who_lack_its_verb(
    rest: Rest, holders: dict[str, httpx.Client], path: str, method: str, described: Any, exists: bool
) -> None:
    name = f"mine.{secrets.token_hex(4)}"
    if exists:
        for kind in KINDS.values():
            rest.call("PUT", f"/{kind}s/{name}")
        rest.call("PUT", f"/streams/{name}/groups/g")
    named = [kind for part, kind in KINDS.items() if part in path]
    target = path.replace("{id}", "123456789").replace("{g}", "g")
    for part in KINDS:
        target = target.replace(part, name)
    entitled = {NEEDS[described.id], *(f"{NEEDS[described.id]} on each {kind}" for kind in named)}
    for role, client in holders.items():
        with client.stream(method, target, content=b"{not json" if method != "get" else b"") as answer:
            if answer.headers.get("content-type") != "text/event-stream":  # which does not end
                answer.read()
        if role in ("wrong", "anonymous"):
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), role
        elif role in entitled or "anyone" in entitled:
            assert answer.status_code not in (401, 403, 500), role
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), f"{role}: before not_found, before the body"


def test_lists_show_what_may_be_browsed(rest: Rest, holders: dict[str, httpx.Client]) -> None:
    rest.declare(name := f"mine.{secrets.token_hex(4)}")
    for role, client in holders.items():
        if role in ("wrong", "anonymous"):
            continue
        listed = client.get("/api/v1/queues", params={"prefix": name}).json()["items"]
        assert bool(listed) == (role == "browse"), role


def test_redrive_into_another_queue_needs_publish_there(rest: Rest, server: Server) -> None:
    rest.declare(mine := f"mine.{secrets.token_hex(4)}")
    rest.declare(theirs := f"theirs.{secrets.token_hex(4)}")
    token = made(rest, ("mine.*", ["manage"]))["token"]
    with Rest(server.url, token) as manager:
        assert refusal(manager, "POST", f"/queues/{mine}/redrive", {"to": theirs}).code == "forbidden"
        assert refusal(manager, "POST", f"/queues/{mine}/redrive", {"to": "queue:nobody"}).code == "forbidden"
        assert manager.call("POST", f"/queues/{mine}/redrive") == {"affected": 0}


def test_to_choose_by_what_messages_hold_needs_browse(rest: Rest, server: Server) -> None:
    rest.declare(name := f"mine.{secrets.token_hex(4)}")
    rest.call("PUT", f"/streams/{name}", {})
    rest.call("PUT", f"/streams/{name}/groups/some", {"kind": "shared"})
    rest.publish(name, {"body": {"pin": 1234}})
    token, both = made(rest, ("mine.*", ["manage"]))["token"], made(rest, ("mine.*", ["manage", "browse"]))["token"]
    paths = [f"/queues/{name}/purge", f"/queues/{name}/redrive", f"/streams/{name}/groups/some/redrive"]
    with Rest(server.url, token) as manager, Rest(server.url, both) as browsing:
        for path in paths:
            for asked in ({"dry_run": True}, {"dry_run": False}):
                assert refusal(manager, "POST", path, {"filter": {"body.pin": 1234}, **asked}).code == "forbidden"
            assert manager.call("POST", path, {"filter": {"key": "a"}}) == {"affected": 0}
        assert browsing.call("POST", paths[0], {"filter": {"body.pin": 1234}}) == {"affected": 1}


def test_who_may_neither_publish_nor_consume_has_nothing_remembered(rest: Rest, server: Server) -> None:
    for grants in ([], [("*", ["browse", "manage", "monitor"])]):
        with Rest(server.url, made(rest, *grants)["token"]) as stranger:
            assert refusal(stranger, "POST", "/transact", {"dedup_id": "mine"}).code == "forbidden"
    with Rest(server.url, made(rest, ("mine.*", ["consume"]))["token"]) as worker:
        assert worker.call("POST", "/transact", {}) == {"duplicate": False, "publish": []}


def test_a_transaction_names_1000_queues_at_most(rest: Rest) -> None:
    assert refusal(rest, "POST", "/transact", {"settle": {f"q{n}": {} for n in range(1001)}}).code == "invalid"


# Tokens


def test_a_token_is_shown_once_and_works_until_it_is_revoked(rest: Rest, server: Server, queue: str) -> None:
    token = made(rest, (queue, ["browse"]))
    msgspec.convert(token, shapes.NewToken)
    listed = next(item for item in rest.call("GET", "/tokens", None, limit=1000)["items"] if item["id"] == token["id"])
    assert "token" not in listed
    with Rest(server.url, token["token"]) as holder:
        assert holder.queue(queue)["name"] == queue
        rest.call("DELETE", f"/tokens/{token['id']}")
        assert refusal(holder, "GET", f"/queues/{queue}").status == 401
    assert refusal(rest, "DELETE", f"/tokens/{token['id']}").status == 404


def test_tokens_page(rest: Rest) -> None:
    for _ in range(3):
        made(rest)
    first = rest.call("GET", "/tokens", None, limit=2)
    msgspec.convert(first, shapes.TokenList)
    second = rest.call("GET", "/tokens", None, limit=2, after=first["next"])
    ids = [int(item["id"]) for item in first["items"] + second["items"]]
    assert ids == sorted(set(ids), reverse=True)
    assert refusal(rest, "GET", "/tokens", None, after="x").code == "invalid"


def test_a_token_grants_no_more_than_its_maker_has(rest: Rest, server: Server) -> None:
    maker = made(rest, ("mine.*", ["admin"]))
    with Rest(server.url, maker["token"]) as delegate:
        assert made(delegate, ("mine.a.*", ["publish"]))
        for grants in ([("*", ["publish"])], [("queue:theirs", ["browse"])]):
            wanted = [{"pattern": pattern, "verbs": verbs} for pattern, verbs in grants]
            assert refusal(delegate, "POST", "/tokens", {"name": "x", "grants": wanted}).code == "forbidden"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "", "grants": []},
        {"name": "x", "grants": [{"pattern": "*", "verbs": ["fly"]}]},
        {"name": "x", "grants": [], "expires_at": "soon"},
        {"name": "x", "grants": [], "y": 1},
    ],
)
def test_token_requests_are_strict(rest: Rest, body: dict[str, Any]) -> None:
    assert refusal(rest, "POST", "/tokens", body).code == "invalid"


def test_a_token_in_the_url_is_never_read(server: Server, rest: Rest) -> None:
    token = made(rest, ("*", ["browse"]))["token"]
    for query in ("token", "access_token", "authorization"):
        assert httpx.get(f"{server.url}/api/v1/queues", params={query: token}).status_code == 401


@pytest.mark.parametrize("header", ["Basic YWRtaW46YWRtaW4=", "Bearer", "bearer", "Token x", "Bearer a b", ""])
def test_headers_that_carry_no_token_are_401(server: Server, header: str) -> None:
    for method, path in (("GET", "/api/v1/queues"), ("POST", "/api/v1/queues/q/receive")):
        answer = httpx.request(method, server.url + path, headers={"Authorization": header})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


# Connections


def test_connections_are_listed_and_closed_with_4009(rest: Rest, server: Server, queue: str) -> None:
    with server.socket() as socket:
        socket.consume(queue, prefetch=5)
        listed = rest.call("GET", "/connections", None, limit=1000)
        msgspec.convert(listed, shapes.ConnectionList)
        mine = next(c for c in listed["items"] if any(s["queue"] == queue for s in c["subscriptions"]))
        assert rest.queue(queue)["consumers"] == 1
        rest.call("DELETE", f"/connections/{mine['id']}")
        socket.until_closed(10)
        assert socket.close_code == 4009
    eventually(lambda: rest.queue(queue)["consumers"] == 0, why="the consumer is gone")
    assert refusal(rest, "DELETE", "/connections/nobody").status == 404


# Metrics


def test_metrics_show_the_queues_on_which_monitor_is_held(rest: Rest, server: Server) -> None:
    mine, theirs = f"mine.{secrets.token_hex(4)}", f"theirs.{secrets.token_hex(4)}"
    for name in (mine, theirs):
        rest.declare(name)
        rest.publish(name, {"body": 1})
    token = made(rest, ("mine.*", ["monitor"]))["token"]
    answer = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert f'brokerweb_queue_messages{{queue="{mine}",state="ready"}} 1.0' in answer.text
    assert f'brokerweb_queue_published_total{{queue="{mine}"}} 1.0' in answer.text
    assert theirs not in answer.text
    assert "process_resident_memory_bytes" in answer.text
    assert "brokerweb_committer_batches_total" in answer.text


def test_metrics_show_streams_groups_and_topics_on_which_monitor_is_held(rest: Rest, server: Server) -> None:
    mine, theirs = f"mine.{secrets.token_hex(4)}", f"theirs.{secrets.token_hex(4)}"
    for name in (mine, theirs):
        rest.call("PUT", f"/streams/{name}", {"partitions": 2})
        rest.call("PUT", f"/streams/{name}/groups/g", {"start": "earliest"})
        rest.call("PUT", f"/topics/{name}", {"bindings": [{"pattern": "#", "to": f"stream:{name}"}], "unrouted": "drop"})
        rest.call("POST", f"/topics/{name}/messages", {"messages": [{"body": 1, "routing_key": "a", "partition": 1}]})
    token = made(rest, ("mine.*", ["monitor"]))["token"]
    text = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"}).text
    for line in (
        f'brokerweb_stream_records{{partition="1",stream="{mine}"}} 1.0',
        f'brokerweb_stream_end_offset{{partition="1",stream="{mine}"}} 1.0',
        f'brokerweb_stream_appended_total{{stream="{mine}"}} 1.0',
        f'brokerweb_group_lag{{group="g",partition="1",stream="{mine}"}} 1.0',
        f'brokerweb_group_lag{{group="g",partition="0",stream="{mine}"}} 0.0',
        f'brokerweb_group_members{{group="g",stream="{mine}"}} 0.0',
        f'brokerweb_topic_published_total{{topic="{mine}"}} 1.0',
        f'brokerweb_topic_unrouted_total{{topic="{mine}"}} 0.0',
    ):
        assert line in text
    assert theirs not in text


def test_metrics_have_what_operators_are_told_to_watch(server: Server, node: Server) -> None:
    """On one database or the other: files are measured on the one, hints told on the other."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = "".join(httpx.get(f"{each.url}/metrics", headers=headers).text for each in (server, node))
    for document in ("docs/operations.md", "deploy/prometheus/alerts.yml", "deploy/grafana/dashboard.json"):
        named = set(re.findall(r"\b(?:brokerweb|process)_[a-z_]+\b", (ROOT / document).read_text()))
        assert len(named) > 10
        assert [name for name in named if f"# TYPE {name} " not in text] == [], document


def test_metrics_have_the_sizes_of_the_database(server: Server) -> None:
    text = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    sizes = {name: float(value) for name, value in re.findall(r"^(brokerweb_\w+_bytes) (\S+)$", text, re.MULTILINE)}
    assert sizes["brokerweb_database_bytes"] > 0
    assert sizes["brokerweb_wal_bytes"] > 0


def test_metrics_count_long_polls(rest: Rest, server: Server) -> None:
    name = f"polled.{secrets.token_hex(4)}"
    rest.declare(name)
    headers = {"Authorization": f"Bearer {TOKEN}"}

    def waiting() -> bool:
        found = re.search(r"^brokerweb_long_polls (\S+)$", httpx.get(f"{server.url}/metrics", headers=headers).text, re.MULTILINE)
        return found is not None and float(found[1]) > 0

    with ThreadPoolExecutor(1) as pool, server.rest() as other:
        received = pool.submit(other.receive, name, wait=20)
        eventually(waiting, why="the poll counted")
        rest.publish(name, {"body": 1})
        assert len(received.result()) == 1


def test_metrics_of_a_node_are_asked_for_by_its_address(rest: Rest, server: Server) -> None:
    token = made(rest, ("*", ["monitor"]))["token"]
    foreign = {"Host": "10.1.2.3:8000"}
    assert httpx.get(f"{server.url}/metrics", headers={**foreign, "Authorization": f"Bearer {token}"}).status_code == 200
    assert httpx.get(f"{server.url}/metrics", headers={**foreign, "Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(f"{server.url}/metrics", headers=foreign).status_code == 400
    answer = httpx.get(f"{server.url}/api/v1/queues", headers={**foreign, "Authorization": f"Bearer {token}"})
    assert answer.status_code == 400


def test_metrics_need_monitor(server: Server, holders: dict[str, httpx.Client]) -> None:
    for role, client in holders.items():
        expected = 200 if role == "monitor" else 401 if role in ("wrong", "anonymous") else 403
        assert client.get("/metrics").status_code == expected, role
    assert holders["monitor"].post("/metrics").status_code == 405
