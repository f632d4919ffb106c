"""ETags of what is declared, and changes that come with a condition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.clients import Rest

CHANGES = {
    "/queues/{}": ({"ttl": 60}, {"ttl": 90}),
    "/streams/{}": ({"compact": True}, {"partitions": 3}),
    "/streams/{}/groups/g": ({"session_timeout": 20}, {"session_timeout": 30}),
    "/streams/{}/groups/shared": ({"lease": 20}, {"backoff": {"initial": 5}}),
    "/topics/{}": ({"unrouted": "drop"}, {"bindings": [{"pattern": "#", "to": "queue:{}"}]}),
}


@pytest.fixture(params=CHANGES)
def thing(request: pytest.FixtureRequest, rest: Rest, name: str) -> str:
    """The path of something that is declared."""
    rest.declare(name)
    if "streams" in request.param:
        rest.call("PUT", f"/streams/{name}")
    path: str = request.param.format(name)
    rest.call("PUT", path, {"kind": "shared"} if path.endswith("shared") else {})
    return path


def changes_of(path: str, name: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = CHANGES[path.replace(name, "{}", 1)]
    return tuple(
        {**each, "bindings": [{"pattern": "#", "to": f"queue:{name}"}]} if "bindings" in each else each for each in found
    )


def change(rest: Rest, path: str, settings: Any, method: str = "PUT", **conditions: str) -> httpx.Response:
    headers = {field.replace("_", "-"): tag for field, tag in conditions.items()}
    return rest.http.request(method, path, json=settings, headers=headers)


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 412 and answer.json()["code"] == "precondition_failed"


def test_a_change_of_what_was_changed_meanwhile_is_refused(rest: Rest, thing: str, name: str) -> None:
    first, second = changes_of(thing, name)
    tag = rest.http.get(thing).headers["ETag"]
    assert rest.http.head(thing).headers["ETag"] == tag
    changed = change(rest, thing, first, if_match=tag)
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    before = rest.call("GET", thing)
    for method in ("PUT", "DELETE"):
        assert refused(change(rest, thing, second, method, if_match=tag))
    assert rest.call("GET", thing) == before
    assert change(rest, thing, second, if_match=changed.headers["ETag"]).status_code == 200
    newest = rest.http.get(thing).headers["ETag"]
    assert change(rest, thing, {}, "DELETE", if_match=newest).status_code == 204
    assert refused(change(rest, thing, first, if_match=newest))  # what is gone has no ETag, and is not made anew
    assert rest.http.get(thing).status_code == 404


def test_patch_takes_conditions_too(rest: Rest, thing: str, name: str) -> None:
    if "groups" in thing:
        return  # groups have no PATCH
    first, second = changes_of(thing, name)
    tag = rest.http.get(thing).headers["ETag"]
    changed = change(rest, thing, first, "PATCH", if_match=tag)
    assert (changed.status_code, changed.headers["ETag"]) == (200, rest.http.get(thing).headers["ETag"])
    assert refused(change(rest, thing, second, "PATCH", if_match=tag))
    assert change(rest, f"{thing}-nothing", second, "PATCH", if_match=tag).status_code == 404


def test_an_etag_stands_for_what_is_declared_alone(rest: Rest, name: str) -> None:
    rest.declare(name)
    tag = rest.http.get(f"/queues/{name}").headers["ETag"]
    rest.publish(name, {"body": 1})
    rest.call("POST", f"/queues/{name}/pause")
    assert rest.http.get(f"/queues/{name}").headers["ETag"] == tag
    assert change(rest, f"/queues/{name}", {"ttl": None}, if_match=tag).headers["ETag"] == tag
    rest.call("DELETE", f"/queues/{name}")
    rest.declare(name)
    assert rest.http.get(f"/queues/{name}").headers["ETag"] != tag, "another queue of that name"


def test_one_of_two_that_read_the_same_is_refused(rest: Rest, thing: str, name: str) -> None:
    first, _ = changes_of(thing, name)
    tag = rest.http.get(thing).headers["ETag"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: change(rest, thing, first, if_match=tag), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


@pytest.mark.parametrize("form", ["W/{}", '"other", {}', '{},W/"x"', "*"])
def test_forms_of_if_match(rest: Rest, name: str, form: str) -> None:
    rest.declare(name)
    tag = rest.http.get(f"/queues/{name}").headers["ETag"]
    assert change(rest, f"/queues/{name}", {}, if_match=form.format(tag)).status_code == 200


@pytest.mark.parametrize("form", ["", "abc", '"abc', '"a" "b"', '*, "a"', '"a",'])
def test_what_is_no_condition_is_invalid_and_not_left_out(rest: Rest, name: str, form: str) -> None:
    rest.declare(name)
    answer = change(rest, f"/queues/{name}", {"ttl": 5}, if_match=form)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/If-Match")
    assert rest.queue(name)["ttl"] is None


def test_what_is_to_be_new_is_made_once(rest: Rest, name: str) -> None:
    assert refused(change(rest, f"/queues/{name}", {}, if_match="*"))
    made = change(rest, f"/queues/{name}", {"ttl": 5}, if_none_match="*")
    assert made.status_code == 201
    assert refused(change(rest, f"/queues/{name}", {"ttl": 9}, if_none_match="*"))
    assert refused(change(rest, f"/queues/{name}", {"ttl": 9}, if_none_match=made.headers["ETag"]))
    assert rest.queue(name)["ttl"] == 5


def test_bindings_take_a_condition_and_answer_with_an_etag(rest: Rest, name: str) -> None:
    rest.declare(name)
    rest.call("PUT", f"/topics/{name}")
    tag = rest.http.get(f"/topics/{name}").headers["ETag"]
    bound = {"bindings": [{"pattern": "#", "to": f"queue:{name}"}]}
    added = change(rest, f"/topics/{name}/bindings", bound, "POST", if_match=tag)
    assert (added.status_code, added.headers["ETag"]) == (200, rest.http.get(f"/topics/{name}").headers["ETag"])
    assert refused(change(rest, f"/topics/{name}/bindings", bound, "DELETE", if_match=tag))
    assert change(rest, f"/topics/{name}/bindings", bound, "DELETE", if_match=added.headers["ETag"]).headers["ETag"] == tag
