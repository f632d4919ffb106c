from __future__ import annotations

import pytest

from brokerweb.core.errors import Forbidden
from brokerweb.identity.grants import VERBS, stored
from brokerweb.identity.principal import Principal, broker_itself

ALLOWED = [
    # pattern, verbs, verb, kind, name, may
    ("*", ["publish"], "publish", "queue", "orders", True),
    ("*", ["publish"], "publish", "stream", "orders", True),
    ("*", ["publish"], "publish", "topic", "orders", True),
    ("*", ["publish"], "consume", "queue", "orders", False),
    ("queue:*", ["publish"], "publish", "stream", "orders", False),
    ("queue:orders.*", ["consume"], "consume", "queue", "orders.eu", True),
    ("queue:orders.*", ["consume"], "consume", "queue", "orders.", True),
    ("queue:orders.*", ["consume"], "consume", "queue", "orders", False),
    ("queue:orders.*", ["consume"], "consume", "queue", "my-orders.eu", False),
    ("queue:orders.*", ["consume"], "consume", "topic", "orders.eu", False),
    ("orders", ["browse"], "browse", "queue", "orders", True),
    ("orders", ["browse"], "browse", "queue", "orders2", False),
    ("orders", ["browse"], "browse", "queue", "Orders", False),
    ("orders", ["browse"], "browse", "queue", "orders\n", False),
    ("a.b", ["browse"], "browse", "queue", "a.b", True),
    ("a.b", ["browse"], "browse", "queue", "axb", False),
    ("a?c", ["browse"], "browse", "queue", "abc", True),
    ("a?c", ["browse"], "browse", "queue", "ac", False),
    ("a?c", ["browse"], "browse", "queue", "abbc", False),
    ("*.dead", ["manage"], "manage", "queue", "a.b.dead", True),
    ("*.dead", ["manage"], "publish", "queue", "a.b.dead", False),
    ("*", ["admin"], "publish", "queue", "orders", True),
    ("*", ["admin"], "monitor", "queue", "orders", True),
    ("team.*", ["admin"], "manage", "queue", "team.x", True),
    ("team.*", ["admin"], "manage", "queue", "other", False),
]


@pytest.mark.parametrize(("pattern", "verbs", "verb", "kind", "name", "allowed"), ALLOWED)
def test_a_grant_gives_its_verbs_on_names_its_pattern_matches_in_full(holder, pattern, verbs, verb, kind, name, allowed):
    principal = holder((pattern, *verbs))

    assert [principal.may(verb, kind, name) for _ in range(2)] == [allowed, allowed]  # anew, and from the memo
    assert principal.allowing(verb, kind)(name) == allowed
    assert not principal.may_all(verb) or allowed


def test_who_may_only_look_may_change_nothing_of_all():
    everything = stored(None, "*", ["admin"])
    assert everything is not None
    looking, changing = (Principal("p", "user:1", permits=[everything], read_only=only) for only in (True, False))

    assert [verb for verb in VERBS if not looking.may_all(verb)] == ["publish", "consume", "manage"]
    assert all(map(changing.may_all, VERBS))
    assert not looking.allowing("manage", "queue")("orders")
    assert looking.allowing("browse", "queue")("orders")


@pytest.mark.parametrize("verb", VERBS)
def test_no_grants_give_nothing(holder, verb):
    assert not holder().may(verb, "queue", "orders")
    assert not holder().holds_any("queue", "orders")


@pytest.mark.parametrize("given", VERBS)
@pytest.mark.parametrize("asked", VERBS)
def test_a_verb_gives_itself_alone_and_admin_gives_all(holder, given, asked):
    assert holder(("*", given)).may(asked, "queue", "orders") == (asked == given or given == "admin")


def test_what_is_not_granted_is_forbidden(holder):
    with pytest.raises(Forbidden, match="publish on queue:orders"):
        holder(("orders", "browse")).require("publish", "queue", "orders")
    holder(("orders", "browse")).require("browse", "queue", "orders")


def test_any_verb_on_a_name_lets_its_absence_be_told(holder):
    principal = holder(("queue:orders", "browse"), ("queue:other.*", "publish"))

    assert principal.holds_any("queue", "orders")
    assert principal.holds_any("queue", "other.x")
    assert not principal.holds_any("stream", "orders")
    assert not principal.holds_any("queue", "secret")


@pytest.mark.parametrize(
    ("pattern", "verb", "admin", "monitors", "delegates"),
    [
        ("*", "admin", True, True, True),
        ("**", "admin", True, True, True),
        ("queue:*", "admin", False, True, True),
        ("a*", "admin", False, True, True),
        ("*", "monitor", False, True, False),
        ("a*", "monitor", False, True, False),
        ("*", "manage", False, False, False),
    ],
)
def test_the_whole_broker_needs_a_grant_on_every_name(holder, pattern, verb, admin, monitors, delegates):
    principal = holder((pattern, verb))

    assert (principal.admin, principal.monitors, principal.delegates) == (admin, monitors, delegates)
    if admin:
        principal.require_admin()
    else:
        with pytest.raises(Forbidden):
            principal.require_admin()


def test_a_verb_nobody_knows_is_a_mistake_and_not_a_permission(holder):
    for principal in (holder(("*", "publish")), broker_itself()):
        with pytest.raises(ValueError, match="no verb"):
            principal.may("pubish", "queue", "orders")


def test_a_name_too_long_to_be_one_is_refused_and_not_remembered(holder):
    principal = holder(("*", "publish"))

    assert not principal.may("publish", "queue", "x" * 201)
    assert not principal._memo


def test_what_is_remembered_is_bounded(holder):
    principal = holder(("1*", "publish"))

    answers = {n: principal.may("publish", "queue", str(n)) for n in range(10_000)}

    assert len(principal._memo) <= 4096
    assert all(allowed == str(n).startswith("1") for n, allowed in answers.items())


@pytest.mark.parametrize(
    "row",
    [
        ("nonsense", "*", ["publish"]),
        (None, "", ["publish"]),
        (None, "[a-z]", ["publish"]),
        (None, None, ["publish"]),
        (None, "*", "publish"),
        (None, "*", {"admin": True}),
        (None, "*", ["publish", "everything"]),
        (None, "*", [["admin"]]),
        (None, "*", None),
    ],
)
def test_a_grant_row_that_makes_no_sense_gives_nothing(row):
    assert stored(*row) is None


def test_repr_names_the_owner_alone():
    principal = Principal("ada", "user:7")
    principal.session_key = "canary-session"

    assert repr(principal) == "<Principal user:7>"
