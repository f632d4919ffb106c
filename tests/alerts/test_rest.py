"""Alerts over REST, of a real broker on each database that tells a real webhook."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.alerts.test_sending import Hook, hook
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.conftest import node, server
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.server import Server

__all__ = ["hook", "node", "server"]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["server", "node"])
def test_a_queue_that_dies_is_told_and_its_end_too(kind: str, hook: Hook, request: pytest.FixtureRequest) -> None:
    broker: Server = request.getfixturevalue(kind)
    name = f"alerts-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        channel = rest.call("PUT", f"/alerts/channels/{name}", {"kind": "webhook", "to": hook.url})
        assert rest.call("POST", f"/alerts/channels/{name}/test") == {"sent": True, "error": None}
        rest.declare(name)
        rest.call("PUT", f"/alerts/rules/{name}", {"figure": "dead", "target": f"queue:{name}", "over": 0, "channels": [name]})
        rest.publish(name, {"body": 1})
        [leased] = rest.receive(name)
        rest.settle(name, dead=[{"receipt": leased["receipt"]}])

        def firing() -> list[dict[str, Any]]:
            found = rest.call("GET", "/alerts", None, state="firing")["items"]
            return [each for each in found if each["rule"] == name]

        [alert] = eventually(firing, 40, interval=0.3)
        assert (alert["target"], alert["value"], alert["silenced"]) == (f"queue:{name}", 1.0, False)
        eventually(lambda: len(hook.taken) == 2)
        headers, body = hook.taken[1]
        said: Any = Webhook(channel["secret"]).verify(body.decode(), headers)
        assert [each["target"] for each in said["data"]["alerts"]] == [f"queue:{name}"]
        rest.call("DELETE", f"/alerts/rules/{name}")
        eventually(lambda: not firing(), 40, interval=0.3)
        eventually(lambda: len(hook.taken) == 3)
        assert json.loads(hook.taken[2][1])["type"] == "alert.resolved"
        assert rest.call("GET", "/alerts", None, state="resolved")["items"][0]["rule"] == name
        rest.call("DELETE", f"/alerts/channels/{name}")


def test_rules_channels_and_silences(server: Server) -> None:
    name = f"alerts-{secrets.token_hex(4)}"
    with server.rest() as rest:
        asked = {"figure": "oldest_age", "target": "queue:nobody.*", "over": 60, "for": 30, "channels": [], "enabled": False}
        made = rest.call("PUT", f"/alerts/rules/{name}", asked)
        assert made == {"name": name, "under": None, "verdict": None, **asked}
        assert made in rest.call("GET", "/alerts/rules")["items"]
        told = refusal(rest, "PUT", f"/alerts/rules/{name}", {**asked, "under": 1})
        assert (told.status, told.code, told.answer["errors"][0]["pointer"]) == (400, "invalid", "/over")
        silence = rest.call("POST", "/alerts/silences", {"seconds": 60, "target": "stream:logs", "reason": "a move"})
        assert (silence["target"], silence["by"]) == ("stream:logs/*", "admin")
        rest.call("DELETE", f"/alerts/silences/{silence['id']}")
        for path in (
            f"/alerts/silences/{silence['id']}",
            "/alerts/silences/x",
            "/alerts/rules/nothing",
            "/alerts/channels/nothing",
        ):
            assert refusal(rest, "DELETE", path).status == 404
        rest.call("DELETE", f"/alerts/rules/{name}")
        actions = [each["action"] for each in rest.call("GET", "/audit", None, limit=4)["items"]]
        assert actions == ["alert-rule.delete", "alert-silence.end", "alert-silence.begin", "alert-rule.declare"]


@pytest.mark.parametrize("kind", ["server", "node"])
def test_long_names_and_secrets_that_receivers_know_already(kind: str, hook: Hook, request: pytest.FixtureRequest) -> None:
    broker: Server = request.getfixturevalue(kind)
    name, secret = secrets.token_hex(100), "whsec_" + "QUJD" * 8
    with broker.rest() as rest:
        made = rest.call("PUT", f"/alerts/channels/{name}", {"kind": "webhook", "to": hook.url, "secret": secret})
        assert "secret" not in made
        rest.call("POST", f"/alerts/channels/{name}/test")
        headers, body = hook.taken[-1]
        assert Webhook(secret).verify(body.decode(), headers)
        other = "whsec_" + "REVG" * 8
        rest.call("PUT", f"/alerts/channels/{name}", {"kind": "webhook", "secret": other})
        rest.call("POST", f"/alerts/channels/{name}/test")
        headers, body = hook.taken[-1]
        assert Webhook(other).verify(body.decode(), headers)
        shown = rest.call("GET", f"/alerts/channels/{name}")
        listed = rest.call("GET", "/alerts/channels")
        assert (shown in listed["items"], listed["waiting"] >= 0, shown["error"]) == (True, True, None)
        told = refusal(rest, "PUT", f"/alerts/channels/{name}", {"kind": "webhook", "secret": "whsec_x"})
        assert told.answer["errors"][0]["pointer"] == "/secret"
        rule = rest.call(
            "PUT", f"/alerts/rules/{name}", {"figure": "dead", "target": f"queue:{name}", "over": 0, "channels": [name]}
        )
        assert rest.call("GET", f"/alerts/rules/{name}") == rule
        silence = rest.call("POST", "/alerts/silences", {"seconds": 60, "rule": name})
        assert silence["rule"] == name
        rest.call("DELETE", f"/alerts/silences/{silence['id']}")
        for path in (f"/alerts/rules/{name}", f"/alerts/channels/{name}"):
            rest.call("DELETE", path)
            assert refusal(rest, "GET", path).code == "not_found"


def test_who_may_only_browse_sees_alerts_of_that_and_no_rules(server: Server) -> None:
    with server.rest() as rest:
        token = made(rest, ("queue:mine.*", ["browse"]))["token"]
    with Rest(server.url, token, 30) as theirs:
        assert theirs.call("GET", "/alerts") == {"items": [], "next": None}
        for path in ("/alerts/rules", "/alerts/channels", "/alerts/silences"):
            assert refusal(theirs, "GET", path).code == "forbidden"
