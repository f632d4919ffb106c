"""The hot calls of topics and transactions."""

from __future__ import annotations

from brokerweb.faces.calls.call import Call
from brokerweb.faces.codec import destinations, transactions
from brokerweb.faces.codec.json import Strict, Text, decode
from brokerweb.faces.codec.transactions import Commits, Publishes, Settles
from brokerweb.routing.publishing import publish as copy
from brokerweb.routing.transacting import transact as verb
from brokerweb.storage.run import aperform


class TopicPublishRequest(Strict):
    """Messages to copy to where the topic's bindings lead, all or none."""

    messages: destinations.AnyMessages


class Transaction(Strict):
    """What is to happen in one commit, or not at all: at most 1000 receipts, 100 commits and 1000 messages.

    `settle` is by queue. A `dedup_id` is remembered for 24 hours, for this token: a repeat gets the first answer.
    """

    settle: Settles = {}
    commit: Commits = []
    publish: Publishes = []
    dedup_id: Text | None = None


async def publish(call: Call) -> bytes:
    """Store every copy of the messages, or none."""
    messages = destinations.for_any("topic", decode(TopicPublishRequest, call.body).messages)
    published = await aperform(copy, call.name, messages, publisher=call.principal.name, cost=len(call.body))
    return b'{"results":%b}' % destinations.published(published)


async def transact(call: Call) -> bytes:
    """Settle, commit and publish, all or nothing; what that needs is known once it is parsed."""
    request = transactions.to_request(decode(Transaction, call.body))
    transactions.require(call.principal, request)
    owner, publisher = call.principal.owner, call.principal.name
    answer = await aperform(verb, request, owner=owner, publisher=publisher, cost=len(call.body))
    return b"{%b}" % transactions.as_json(answer)
