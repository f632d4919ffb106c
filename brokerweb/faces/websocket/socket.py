"""One socket: handshake, reading, and the end. What frames mean is the language's.

Channels routes to it; its own loop replaces the one of ``AsyncConsumer``, which hops to a thread and makes tasks for every
frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from channels.consumer import AsyncConsumer

from brokerweb import conf
from brokerweb.core import closing
from brokerweb.core.errors import BrokerError, Unauthenticated, Unavailable
from brokerweb.delivery import open_sockets
from brokerweb.faces.http.proxies import address
from brokerweb.faces.websocket import handshake
from brokerweb.faces.websocket.intake import FRAMES_IN_A_ROW, Intake, too_large
from brokerweb.faces.websocket.language import Frame, Language, Session
from brokerweb.faces.websocket.outbox import Outbox
from brokerweb.identity.principal import Principal

TO_AUTHENTICATE = 10.0  # seconds
LOOK = 5.0  # seconds between looks at whether a client reads
LINGER = 2.0  # seconds for the closing handshake
LAST_WORDS = 30.0  # seconds for what a client sent before it went

log = logging.getLogger(__name__)
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Socket(AsyncConsumer):
    """The consumer that Channels routes to, for clients of any of the ``languages``."""

    def __init__(self, languages: Sequence[Language]) -> None:
        self._languages = languages

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        await receive()  # websocket.connect
        try:
            handshake.check(scope)
            language, chosen = handshake.choose(scope, self._languages)
        except BrokerError as error:
            await handshake.refuse(scope, send, error)
            return
        except LookupError:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept", "subprotocol": chosen})
        await _Link(language, scope, receive, send).run()


class _Gone(Exception):
    """The client closed, or the connection broke, or the server cut it since the client did not read (``brokerweb.slow``)."""

    def __init__(self, code: int, *, slow: bool = False) -> None:
        self.clean = slow or code in closing.CLEAN


class _Link:
    """The life of one accepted socket."""

    def __init__(self, language: Language, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        self._language, self._scope, self._receive, self._send = language, scope, receive, send
        self._link = scope.get("extensions", {}).get("brokerweb.link")
        write, drained = getattr(self._link, "write", None), getattr(self._link, "drained", None)
        self._outbox = Outbox(language, send, self._crowded, write=write, drained=drained)
        self._session: Session | None = None
        self._first: Frame | None = None  # where that has to say who it is
        self._client = handshake.client(scope)  # what it calls itself

    async def run(self) -> None:
        reader, writer = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._outbox.run())
        clean, leave = False, open_sockets.enter(self._outbox.close)
        try:
            slow = await self._watch(reader, writer)
            if slow:
                await self._cut()
            else:
                await self._hear_out(reader, writer)
            clean = slow or self._outbox.closing or _is_clean(reader)
        finally:
            for task in (reader, writer):
                task.cancel()
            if self._session is not None:
                self._session.end(clean=clean)
            leave()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _watch(self, reader: asyncio.Future[None], writer: asyncio.Future[None]) -> bool:
        """Wait for an end of either; True when the client reads too slowly for that."""
        while True:
            done, _ = await asyncio.wait({reader, writer}, timeout=LOOK, return_when="FIRST_COMPLETED")
            if done or self._outbox.stuck:
                return not done

    async def _hear_out(self, reader: asyncio.Future[None], writer: asyncio.Future[None]) -> None:
        """Read on where it was the writer that ended."""
        if writer.done() and writer.exception() is None:  # an orderly close of ours: give the client a moment to answer it
            await asyncio.wait({reader}, timeout=LINGER)
        elif writer.done():  # the client has gone: what it sent before counts, and so does how it closed
            self._outbox.abandon()
            await asyncio.wait({reader}, timeout=LAST_WORDS)

    async def _cut(self) -> None:
        """Close on a client that does not read; the server drops what it cannot write."""
        with suppress(Exception):
            async with asyncio.timeout(LINGER):
                await self._send({"type": "websocket.close", "code": closing.TOO_SLOW, "reason": "too slow"})

    # Reading

    async def _read(self) -> None:
        try:
            principal = await self._authenticated()
            if principal is None:
                return
            try:
                self._session = self._language.session(principal, address(self._scope), self._outbox, self._client)
            except Unavailable as error:  # the node began to stop during the handshake
                self._outbox.close(closing.GOING_AWAY, error.detail)
                await self._until_gone()
            else:
                await self._handle_frames(self._session)
        except asyncio.CancelledError:
            raise
        except _Gone:
            raise
        except BaseException as error:
            self._failed(error)
            raise

    async def _handle_frames(self, session: Session) -> None:
        most, binary = conf.get().max_request_bytes, self._language.binary
        intake = Intake(session, self._outbox, most=most, binary=binary, failed=self._failed)
        try:
            if hasattr(self._link, "feed"):
                intake.source = self._link
                self._link.feed(intake)
                gone = _gone(await self._receive())  # nothing else comes this way any more
            else:
                gone = await self._hand_on(intake)
            await intake.done()
            raise gone
        finally:
            intake.stop()

    async def _hand_on(self, intake: Intake) -> _Gone:
        """What a server queues that has no other way."""
        frames = 0
        while (event := await self._receive())["type"] != "websocket.disconnect":
            intake.put([_frame(event)])
            if intake.busy:
                await intake.done()
            frames += 1
            if frames % FRAMES_IN_A_ROW == 0:
                time.sleep(0)  # noqa: ASYNC251 (gives the interpreter lock away, and waits for nothing)
                await asyncio.sleep(0)
        return _gone(event)

    def _failed(self, error: BaseException) -> None:
        log.error("a WebSocket failed", exc_info=error)
        self._outbox.close(closing.FAILED, "the broker made an error")

    async def _first_frame(self) -> Frame:
        """What a client says before it is known; one that is too large ends the socket."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise _gone(event)
        frame = _frame(event)
        if not too_large(frame, conf.MAX_UNAUTHENTICATED_BYTES, binary=self._language.binary):
            return frame
        self._outbox.close(closing.TOO_LARGE, f"a frame has at most {conf.MAX_UNAUTHENTICATED_BYTES} bytes")
        await self._until_gone()
        raise _Gone(1005)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    # Authentication

    async def _authenticated(self) -> Principal | None:
        hello = self._language.hello()
        if hello is not None:
            self._outbox.frame(hello)
        try:
            principal = await handshake.principal(self._scope)
            if principal is None:
                async with asyncio.timeout(TO_AUTHENTICATE):
                    principal = await self._said()
        except TimeoutError:
            self._refuse(Unauthenticated("Nobody said who they are in time."))
        except BrokerError as error:
            self._refuse(error)
        else:
            return principal
        await self._until_gone()
        return None

    async def _said(self) -> Principal:
        """Who the first frame says it is. Raises BrokerError for anything but that."""
        self._first = await self._first_frame()
        introduced = await self._language.first_frame(self._first)
        self._client = introduced.client or self._client
        if introduced.answer is not None:
            self._outbox.frame(introduced.answer)
        return introduced.principal

    def _refuse(self, error: BrokerError) -> None:
        self._outbox.frame(self._language.error(error, self._first))
        self._outbox.close(closing.UNAUTHENTICATED, error.code)

    def _crowded(self, crowded: bool) -> None:
        if self._session is not None:
            self._session.crowded(crowded)


def _gone(event: dict[str, Any]) -> _Gone:
    return _Gone(event.get("code") or 1005, slow=event.get("brokerweb.slow", False))


def _frame(event: dict[str, Any]) -> Frame:
    text: str | None = event.get("text")
    return text if text is not None else bytes(event["bytes"])


def _is_clean(reader: asyncio.Future[None]) -> bool:
    error = reader.exception() if reader.done() and not reader.cancelled() else None
    return isinstance(error, _Gone) and error.clean
