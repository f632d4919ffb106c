"""Performs a conversation through a driver, and compares what happens with what the table says."""

from __future__ import annotations

import secrets
from collections import defaultdict
from typing import Any

import pytest

from brokerweb.core import errors
from tests.clients import Refused
from tests.eventually import eventually
from tests.faces.conversations.drivers import FIELDS, Driver, Taken
from tests.faces.conversations.steps import Conversation, Step

Json = dict[str, Any]
STATUSES = {error.code: error.http_status for error in errors.all_errors()}
STATES = ("ready", "scheduled", "blocked", "leased", "dead")


def hold(conversation: Conversation, driver: Driver) -> None:
    """Perform every step; AssertionError, naming the step, where one goes otherwise."""
    run = _Run(driver)
    run.declare(Step("declare", conversation.settings))
    for number, step in enumerate(conversation.steps, 1):
        try:
            run.perform(step)
        except AssertionError as error:
            error.add_note(f"in step {number} of {conversation.says!r}: {step}")
            raise


class _Run:
    """What a conversation remembers: ids and receipts by body."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.rest = driver, driver.operator
        self.prefix = f"talk-{secrets.token_hex(4)}"
        self.ids: dict[Any, str] = {}
        self.receipts: defaultdict[Any, list[Any]] = defaultdict(list)

    def perform(self, step: Step) -> None:
        verb = getattr(self, step.verb)
        if step.refusal is None:
            verb(step)
            return
        with pytest.raises(Refused) as caught:
            verb(step)
        assert caught.value.code == step.refusal
        if caught.value.status:
            assert caught.value.status == STATUSES[step.refusal]

    def name(self, label: str) -> str:
        """A destination or queue of this conversation; names that could be nobody's are left alone."""
        return f"{self.prefix}-{label}" if label.isidentifier() else label

    # Faces of messages

    def publish(self, step: Step) -> None:
        messages = step.fields["messages"]
        results = self.driver.publish(self.name(step.queue), messages)
        assert len(results) == len(messages)
        for message, result in zip(messages, results, strict=True):
            if not result["duplicate"]:
                self.ids[_body(message)] = result["id"]
        duplicates = step.fields["duplicates"] or (False,) * len(messages)
        assert tuple(result["duplicate"] for result in results) == duplicates

    def take(self, step: Step) -> None:
        terms = {"max": 10, "wait": 0, **step.fields["terms"]}
        self.came(step, self.driver.take(self.name(step.queue), step.by, terms))

    def wait(self, step: Step) -> None:
        self.driver.wait(self.name(step.queue), step.by, dict(step.fields["terms"]))

    def arrives(self, step: Step) -> None:
        self.came(step, self.driver.arrived(step.by))

    def came(self, step: Step, taken: Taken) -> None:
        if taken.paused is not None and "paused" in step.fields:
            assert taken.paused is step.fields["paused"]
        expected = step.fields["expected"]
        assert [_body(message) for message in taken.messages] == [_body(message) for message in expected]
        for message, wanted in zip(taken.messages, expected, strict=True):
            assert message.keys() - {"body", "body_base64"} == FIELDS
            assert {name: message[name] for name in wanted} == wanted
            assert message["id"] == self.ids.get(_body(message), message["id"])
            self.receipts[_body(message)].append(message["receipt"])

    def settle(self, step: Step) -> None:
        receipts = [self.receipts[body][step.fields["hand_out"]] for body in step.fields["bodies"]]
        item = step.fields.get("item")
        items = receipts if item is None else [{"receipt": receipt, **item} for receipt in receipts]
        results = self.driver.settle(self.name(step.queue), step.fields["kind"], items)
        assert [(r["receipt"], r["status"]) for r in results] == [(receipt, step.fields["status"]) for receipt in receipts]
        if step.fields["kind"] == "extend" and step.fields["status"] == "ok":
            assert all(r["lease_until_at"] for r in results)

    def strangers(self, step: Step) -> None:
        receipts = list(step.fields["receipts"])
        for kind in ("ack", "nack", "release", "dead", "extend"):
            items = receipts if kind in ("ack", "release") else [{"receipt": receipt} for receipt in receipts]
            results = self.driver.settle(self.name(step.queue), kind, items)
            assert results == [{"receipt": receipt, "status": "lease_lost"} for receipt in receipts]

    # Operators

    def declare(self, step: Step) -> None:
        self.rest.declare(self.name(step.queue), **step.fields)

    def operate(self, step: Step) -> None:
        body = dict(step.fields["body"])
        if "to" in body:
            body["to"] = self.name(body["to"])
        self.rest.call("POST", f"{self._path(step)}/{step.fields['verb']}", body)

    def requeue(self, step: Step) -> None:
        id = self.ids[step.fields["body"]]
        shown = self.rest.call("POST", f"{self._path(step)}/messages/{id}/requeue")
        assert (shown["id"], shown["failures"]) == (id, 0)

    def delete(self, step: Step) -> None:
        body = step.fields["body"]
        self.rest.call("DELETE", self._path(step) if body is None else f"{self._path(step)}/messages/{self.ids[body]}")

    def counts(self, step: Step) -> None:
        expected = {state: step.fields.get(state, 0) for state in STATES}
        eventually(lambda: self._counts(step) == expected, why=f"{expected}, not {self._counts(step)}")

    def _counts(self, step: Step) -> Json:
        return dict(self.rest.queue(self.name(step.queue))["counts"])

    def browse(self, step: Step) -> None:
        found = list(self.rest.browse(self.name(step.queue), state=step.fields["state"]))
        assert [_body(message) for message in found] == [_body(message) for message in step.fields["expected"]]
        for message, wanted in zip(found, step.fields["expected"], strict=True):
            assert {name: message[name] for name in wanted} == wanted

    def failures(self, step: Step) -> None:
        shown = self.rest.call("GET", f"{self._path(step)}/messages/{self.ids[step.fields['body']]}")
        wanted = step.fields["expected"]
        assert len(shown["failed"]) == len(wanted)
        assert [{name: f[name] for name in w} for f, w in zip(shown["failed"], wanted, strict=True)] == list(wanted)

    def _path(self, step: Step) -> str:
        return f"/queues/{self.name(step.queue)}"


def _body(message: Json) -> Any:
    return message["body"] if "body" in message else message.get("body_base64")
