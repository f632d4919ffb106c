"""Redis or Valkey: hints by PUBLISH and SUBSCRIBE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from brokerweb.wakeups.transport import Unreachable

PATIENCE = 0.5  # seconds for the server to connect, to take a hint, and to answer
CHANNEL = "brokerweb:hints"  # and the number of the database, as SUBSCRIBE knows no databases

T = TypeVar("T")


class Redis:
    """``url`` is as redis-py reads it; brokers that share a server have a database number each."""

    name = "Redis"

    def __init__(self, url: str) -> None:
        self._url = url

    def sending(self) -> Publishing:
        return Publishing(self._client())

    def listening(self) -> Subscribed:
        return Subscribed(self._client())

    def _client(self) -> Any:
        # Without its own settings the client tries again and again, for more than 20 seconds with a server that stands still.
        # Protocol 2 is what every server knows.
        given = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0), "protocol": 2}
        return _reached(lambda: redis.Redis.from_url(self._url, **given))


class Publishing:
    """A connection for PUBLISH."""

    def __init__(self, client: Any) -> None:
        self._client, self._channel = client, _channel(client)

    def send(self, text: bytes) -> None:
        _reached(lambda: self._client.publish(self._channel, text))

    def close(self) -> None:
        self._client.close()


class Subscribed:
    """A connection for SUBSCRIBE."""

    def __init__(self, client: Any) -> None:
        self._client, self._pubsub = client, client.pubsub(ignore_subscribe_messages=True)
        try:
            _reached(lambda: self._pubsub.subscribe(_channel(client)))
        except Unreachable:
            self.close()
            raise

    def hear(self, seconds: float) -> list[bytes]:
        message = _reached(lambda: self._pubsub.get_message(timeout=seconds))
        return [message["data"]] if message is not None else []

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()


def _channel(client: Any) -> str:
    return f"{CHANNEL}:{client.connection_pool.connection_kwargs.get('db') or 0}"


def _reached(call: Callable[[], T]) -> T:
    try:
        return call()
    except (redis.RedisError, OSError, ValueError) as error:  # ValueError: the URL is none
        raise Unreachable(str(error)) from error
