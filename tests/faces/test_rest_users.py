"""People over REST, on each database: roles, invitations, and what ends with a change."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_audit import trail
from tests.faces.test_rest_queues import refusal
from tests.server import Server

PASSWORD = "correct horse battery staple"


@pytest.fixture(params=["server", "node"])
def broker(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def root(broker: Server) -> Iterator[Rest]:
    with broker.rest() as rest:
        yield rest


def named() -> str:
    return f"ada-{secrets.token_hex(4)}"


def invited(root: Rest, **what: Any) -> dict[str, Any]:
    return dict(root.call("POST", "/users", {"name": named(), **what}))


def accept(link: str, password: str = PASSWORD) -> httpx.Client:
    """A browser that opened the invitation and set a password."""
    url = httpx.URL(link)
    browser = httpx.Client(base_url=f"{url.scheme}://{url.host}:{url.port}")
    assert browser.get(url.path).status_code == 200
    fields = {"password": password, "again": password, "csrfmiddlewaretoken": browser.cookies["brokerweb_csrf"]}
    answer = browser.post(url.path, data=fields, headers={"Referer": link})
    browser.headers["X-CSRFToken"] = browser.cookies["brokerweb_csrf"]
    assert answer.status_code in (302, 400, 401), answer.text
    return browser


def test_a_person_comes_by_an_invitation_and_may_what_their_roles_say(broker: Server, root: Rest) -> None:
    name = f"shop-{secrets.token_hex(4)}"
    for queue in (f"{name}.in", f"{name}-other"):
        root.declare(queue)
    made = invited(root, grants=[{"role": "operator", "pattern": f"{name}.*"}, {"role": "viewer", "pattern": "*"}])
    assert (made["role"], made["active"], made["password"]) == ("operator", True, False)
    assert [(g["role"], g["pattern"]) for g in made["grants"]] == [("operator", f"{name}.*"), ("viewer", "*")]
    with closing(accept(made["invitation"])) as browser:
        assert browser.get(f"/api/v1/queues/{name}-other").status_code == 200
        assert browser.post(f"/api/v1/queues/{name}.in/pause", json={}).status_code == 200
        assert browser.post(f"/api/v1/queues/{name}-other/pause", json={}).status_code == 403
        assert browser.get("/api/v1/users").status_code == 403
    shown = root.call("GET", f"/users/{made['name']}")
    assert (shown["password"], shown["invited_until_at"]) == (True, None)
    assert made["name"] in [user["name"] for user in root.call("GET", "/users", None, limit="1000")["items"]]


def test_an_invitation_works_once_and_another_ends_it(root: Rest) -> None:
    made = invited(root, role="viewer")
    again = root.call("POST", f"/users/{made['name']}/invite")
    assert httpx.get(made["invitation"]).status_code == 401
    accept(again["invitation"]).close()
    assert httpx.get(again["invitation"]).status_code == 401
    assert made["invitation"].rpartition("/")[2] not in str(trail(root, target=f"user:{made['name']}"))


def test_a_password_that_will_not_do_is_refused_with_why_and_leaves_the_invitation(root: Rest) -> None:
    made = invited(root, role="viewer")
    with closing(accept(made["invitation"], "1234567890")) as browser:
        assert "brokerweb_session" not in browser.cookies
    assert httpx.get(made["invitation"]).status_code == 200


@pytest.mark.parametrize("change", [{"role": "operator"}, {"active": False}, None])
def test_what_a_changed_person_has_open_ends_within_seconds(broker: Server, root: Rest, change: dict[str, Any] | None) -> None:
    made = invited(root, role="viewer")
    with closing(accept(made["invitation"])) as browser:
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Cookie": cookies}
        place = broker.url.replace("http", "ws") + "/ws"
        with connect(place, additional_headers=headers, origin=Origin(broker.url), proxy=None) as socket:
            assert '"hello"' in str(socket.recv(10))
            if change is None:
                root.call("DELETE", f"/users/{made['name']}")
            else:
                root.call("PATCH", f"/users/{made['name']}", change)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(20)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4001
        assert browser.get("/api/v1/queues").status_code == 401
        assert browser.get("/queues").headers["Location"].startswith("/sign-in")


def test_nothing_ends_where_nothing_changed(root: Rest) -> None:
    made = invited(root, role="viewer")
    with closing(accept(made["invitation"])) as browser:
        root.call("PATCH", f"/users/{made['name']}", {"role": "viewer", "active": True})
        assert browser.get("/api/v1/queues").status_code == 200


def test_the_trail_has_what_was_and_is(root: Rest) -> None:
    made = invited(root, role="viewer")
    name = made["name"]
    root.call("PATCH", f"/users/{name}", {"role": "operator", "pattern": "orders.*"})
    root.call("PATCH", f"/users/{name}", {"active": False})
    root.call("DELETE", f"/users/{name}")
    viewer, operator = {"role": "viewer", "pattern": "*"}, {"role": "operator", "pattern": "orders.*"}
    assert [(e["action"], e["before"], e["after"]) for e in trail(root, target=f"user:{name}")] == [
        ("user.create", None, {"grants": [viewer], "active": True}),
        ("user.change", {"grants": [viewer]}, {"grants": [operator]}),
        ("user.change", {"active": True}, {"active": False}),
        ("user.delete", {"grants": [operator], "active": False}, None),
    ]
    assert refusal(root, "GET", f"/users/{name}").code == "not_found"


def test_the_last_administrator_stays(root: Rest) -> None:
    for change in ({"role": "viewer"}, {"active": False}, {"grants": [{"role": "admin", "pattern": "orders.*"}]}):
        assert refusal(root, "PATCH", "/users/admin", change).code == "conflict"
    assert refusal(root, "DELETE", "/users/admin").code == "conflict"
    waiting = invited(root, role="admin")  # who has no password yet administers nothing
    assert refusal(root, "DELETE", "/users/admin").code == "conflict"
    root.call("DELETE", f"/users/{waiting['name']}")


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "/role"),
        ({"role": "owner"}, "/role"),
        ({"role": "viewer", "grants": []}, "/role"),
        ({"pattern": "*"}, "/pattern"),
        ({"role": "viewer", "pattern": "a b"}, "/pattern"),
        ({"grants": [{"role": "viewer"}, {"role": "viewer", "verbs": ["browse"]}]}, "/grants/1/verbs"),
        ({"grants": [{"pattern": "*", "verbs": ["rule"]}]}, "/grants/0/verbs/0"),
        ({"name": "a/b", "role": "viewer"}, "/name"),
        ({"name": "", "role": "viewer"}, "/name"),
        ({"role": "viewer", "password": "x"}, "/password"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(root: Rest, asked: dict[str, Any], pointer: str) -> None:
    refused = refusal(root, "POST", "/users", {"name": named(), **asked})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", pointer)


def test_nobody_is_linked_by_a_call_and_anybody_unlinked(root: Rest) -> None:
    place = f"/users/{invited(root, role='viewer')['name']}"
    assert root.call("PATCH", place, {"issuer": None})["issuer"] is None
    refused = refusal(root, "PATCH", place, {"issuer": "https://login.example"})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", "/issuer")


def test_a_name_is_one_persons_whatever_its_case(root: Rest) -> None:
    made = invited(root, role="viewer")
    assert refusal(root, "POST", "/users", {"name": made["name"].upper(), "role": "viewer"}).code == "conflict"


def test_pages_of_people_go_on_where_the_last_ended(root: Rest) -> None:
    names = {invited(root, role="viewer")["name"] for _ in range(3)}
    page = root.call("GET", "/users", None, limit="2")
    seen = [user["name"] for user in page["items"]]
    while page["next"]:
        page = root.call("GET", "/users", None, limit="2", after=page["next"])
        seen += [user["name"] for user in page["items"]]
    assert names <= set(seen)
    assert len(seen) == len(set(seen))


def test_who_guesses_invitations_is_held_up(root: Rest) -> None:
    link = invited(root, role="viewer")["invitation"]
    wrong = re.sub(r"bwi_.*", "bwi_" + "x" * 43, link)
    statuses = [httpx.get(wrong).status_code for _ in range(12)]
    assert statuses.count(429) >= 2
    assert statuses[0] in (401, 429)
    assert eventually(lambda: httpx.get(link).status_code in (200, 429))
