"""RabbitMQ: its server as the system installs it, with Web-STOMP where the plugin is there, and the clients of both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import amqp, stomp
from benchmarks.peers.server import Peer, Running, await_port, spawned
from benchmarks.roles import BODY
from tests.server import free_port

QUEUE = "orders"
# Debian's program on the PATH runs as root or as the system's own user alone; the one it wraps runs as anybody.
PLACES = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server")]
INSTALL = "the system's package rabbitmq-server; nothing of it needs to run"


def _program() -> str | None:
    if shutil.which("epmd") is None:
        return None
    return next((str(path) for path in PLACES if path.exists()), shutil.which("rabbitmq-server"))


def _program_with_stomp() -> str | None:
    program = _program()
    if program is None:
        return None
    home = Path(program).resolve().parent.parent
    return program if any(home.rglob("rabbitmq_web_stomp-*")) else None


@contextmanager
def _running(program: str, folder: Path, scheme: str) -> Iterator[Running]:
    port, web, names, distribution = free_port(), free_port(), free_port(), free_port()
    is_web = scheme == "stomp"
    settings = f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n"
    if is_web:
        settings += f"web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {web}\nstomp.listeners.tcp = none\n"
    (folder / "rabbitmq.conf").write_text(settings)
    (folder / "enabled_plugins").write_text("[rabbitmq_web_stomp].\n" if is_web else "[].\n")
    environment = {
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_CONF_ENV_FILE": f"{folder}/no-such-file",  # the system's own settings are not ours
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{folder}/data",
        "RABBITMQ_LOG_BASE": f"{folder}/logs",
        "RABBITMQ_PID_FILE": f"{folder}/pid",
        "RABBITMQ_NODENAME": f"bench{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server, instead of waiting for it
        "ERL_EPMD_PORT": str(names),
    }
    # Erlang's name server would be started by the node and would outlive it.
    with spawned(["epmd", "-address", "127.0.0.1", "-port", str(names)], folder) as naming:
        await_port(naming, names, folder)
        with spawned([program], folder, environment) as process:
            await_port(process, web if is_web else port, folder)
            yield Running(f"{scheme}://127.0.0.1:{web if is_web else port}", process.pid, folder / "log")


def _peer(name: str, about: str, scheme: str, program: Callable[[], str | None] = _program) -> Peer:
    return Peer(name, about, program, INSTALL, run=lambda found, folder: _running(found, folder, scheme))


PEERS = [
    _peer("rabbitmq-quorum", "RabbitMQ, quorum queue, AMQP: on disk before it is confirmed", "amqp+quorum"),
    _peer("rabbitmq-classic", "RabbitMQ, durable classic queue, persistent messages, AMQP", "amqp+classic"),
    _peer("rabbitmq-web-stomp", "RabbitMQ, durable classic queue, STOMP over WebSocket", "stomp", _program_with_stomp),
]


class Amqp:
    """The clients for a queue of a kind."""

    acks = "sent"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def declare(self, target: Any) -> None:
        connection = amqp.Connection()
        await connection.start(target.url)
        await connection.declare(QUEUE, self.kind)
        connection.transport.close()

    def publisher(self, *, batch: int, window: int) -> amqp.Publisher:
        return amqp.Publisher(QUEUE, BODY, batch=batch, window=window)

    def consumer(self, *, prefetch: int, singly: bool) -> amqp.Consumer:
        return amqp.Consumer(QUEUE, prefetch=prefetch, singly=singly)


class WebStomp:
    """The clients over WebSocket; the queue is made by whoever names it first."""

    acks = "sent"

    async def declare(self, target: Any) -> None:
        """Nothing: a destination is its queue."""

    def publisher(self, *, batch: int, window: int) -> stomp.Publisher:
        return stomp.Publisher(BODY, batch=batch, window=window)

    def consumer(self, *, prefetch: int, singly: bool) -> stomp.Consumer:
        return stomp.Consumer(prefetch=prefetch, singly=singly)
