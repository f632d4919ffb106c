"""Who may do what over a socket: each command by a token of each verb, and by one of the right verb on other names."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brokerweb.identity.grants import VERBS
from tests.clients import Rest, Socket
from tests.faces.sockets import made_token, stranger
from tests.server import Server

Asking = Callable[[str], dict[str, Any]]
MESSAGES = {"messages": [{"body": 1}]}
ROUTED = {"messages": [{"body": 1, "routing_key": "a"}]}
COMMANDS: dict[str, tuple[str, Asking]] = {
    "publish to a queue": ("publish", lambda name: {"op": "publish", "to": f"queue:{name}", **MESSAGES}),
    "publish to a stream": ("publish", lambda name: {"op": "publish", "to": f"stream:{name}", **MESSAGES}),
    "publish to a topic": ("publish", lambda name: {"op": "publish", "to": f"topic:{name}", **ROUTED}),
    "transact a publish": ("publish", lambda name: {"op": "transact", "publish": [{"to": f"queue:{name}", **MESSAGES}]}),
    "consume": ("consume", lambda name: {"op": "consume", "queue": name}),
    "subscribe": ("consume", lambda name: {"op": "subscribe", "stream": name}),
    "join a group": ("consume", lambda name: {"op": "subscribe", "stream": name, "group": "g"}),
    "share a group": ("consume", lambda name: {"op": "subscribe", "stream": name, "group": "shared"}),
    "transact a settle": ("consume", lambda name: {"op": "transact", "settle": {name: {}}}),
    "transact a commit": (
        "consume",
        lambda name: {"op": "transact", "commit": [{"stream": name, "group": "idle", "offsets": {"0": "0"}}]},
    ),
}


@pytest.fixture(scope="module")
def mine(server: Server) -> str:
    """The name of a queue, a stream with groups, and a topic, for tokens to hold verbs on."""
    name = f"mine.{secrets.token_hex(4)}"
    with server.rest() as rest:
        for kind in ("queues", "streams"):
            rest.call("PUT", f"/{kind}/{name}", {})
        rest.call("PUT", f"/topics/{name}", {"bindings": [{"pattern": "#", "to": f"queue:{name}"}]})
        for group, kind in (("idle", "partitioned"), ("shared", "shared")):
            rest.call("PUT", f"/streams/{name}/groups/{group}", {"kind": kind})
    return name


@pytest.fixture(scope="module")
def sockets(server: Server) -> Iterator[dict[str, Socket]]:
    """A socket of a token of each verb on ``mine.*``."""
    opened = {verb: stranger(server, token=made_token(server, ("mine.*", [verb]))["token"]) for verb in VERBS}
    yield opened
    for socket in opened.values():
        socket.close()


def code_of(socket: Socket, command: dict[str, Any]) -> str:
    """``ok``, or the code of the error that answers."""
    number = socket.send(command["op"], **{name: value for name, value in command.items() if name != "op"})
    while (frame := socket.receive()).get("id") != number:
        pass
    return str(frame.get("code", frame["op"]))


@pytest.mark.parametrize(("needs", "asking"), COMMANDS.values(), ids=COMMANDS)
def test_each_command_is_refused_to_all_who_lack_its_verb(
    sockets: dict[str, Socket], mine: str, needs: str, asking: Asking
) -> None:
    answers = {verb: code_of(socket, asking(mine)) for verb, socket in sockets.items()}
    assert answers == {verb: "ok" if verb in (needs, "admin") else "forbidden" for verb in VERBS}


@pytest.mark.parametrize(("needs", "asking"), COMMANDS.values(), ids=COMMANDS)
def test_a_name_that_is_not_among_the_grants_is_forbidden_whether_it_is_there_or_not(
    rest: Rest, sockets: dict[str, Socket], needs: str, asking: Asking, queue: str
) -> None:
    for name in (queue, f"{queue}-nobody"):
        assert {code_of(socket, asking(name)) for socket in sockets.values()} == {"forbidden"}


@pytest.mark.parametrize("op", ["ack", "release", "nack", "dead", "extend"])
def test_receipts_are_settled_by_who_may_consume(rest: Rest, sockets: dict[str, Socket], mine: str, op: str) -> None:
    name = f"mine.{secrets.token_hex(4)}"
    rest.declare(name)
    rest.publish(name, {"body": 1})
    (message,) = rest.receive(name)
    receipt = message["receipt"]
    command = {"op": op, **({"receipts": [receipt]} if op in ("ack", "release") else {"items": [{"receipt": receipt}]})}
    lacking = {verb: code_of(socket, command) for verb, socket in sockets.items() if verb not in ("consume", "admin")}
    assert set(lacking.values()) == {"lease_lost"}, "a receipt tells nothing to who may not consume its queue"
    assert code_of(sockets["consume"], command) == "ok"
    if op == "extend":
        rest.settle(name, ack=[receipt])
