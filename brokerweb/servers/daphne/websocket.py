"""WebSocket of Daphne's: patience with slow clients, close codes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from autobahn.util import encode_truncate
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.protocol import connectionDone

from brokerweb.core.errors import BrokerError, Internal
from brokerweb.faces.http.body import Message, Receive
from brokerweb.servers import frames, heads, refusals
from brokerweb.servers.daphne.flow import Flow
from brokerweb.servers.intake import Intake
from brokerweb.servers.lingering import Lingering

BUFFERED = 4 * 1024 * 1024  # bytes that may wait at a socket before its writer waits for the client
UNREAD = 1024 * 1024  # bytes of frames that the application may have yet to take before a socket is read no further
FRAME = 256  # what a small frame costs besides its bytes
LONGEST_REASON = 123  # bytes: what a close frame has room for behind its code


class WebSocket(WebSocketProtocol):
    """A socket that the application may close with any code, and of which it can ask how far the client has read.

    It is read as fast as the application takes what comes: Daphne by itself would queue all of it. Once it has an intake,
    whole texts go there at once, all else as autobahn reads it, in order; and what is sent passes autobahn by, which takes
    longer for a frame than all else.
    """

    data: bytes  # what is not parsed yet
    autoPingPendingCall: Any
    autoPingTimeoutCall: Any

    def connectionMade(self) -> None:
        super().connectionMade()
        self._unread: deque[int] = deque()
        self._unread_bytes = 0
        self._paused = False
        self._intake: Intake | None = None
        self._came: deque[str | bytes] = deque()  # and not given to it yet
        self._flow = Flow()
        self._lingering: Lingering | None = None
        self.transport.unregisterProducer()  # the request's that became this socket
        # Twisted says "go on" only when all of it is gone: with little room a fan-out runs at a quarter of its rate.
        self.transport.bufferSize = BUFFERED
        self.transport.registerProducer(self._flow, True)

    # The handshake

    def refuse(self, error: BrokerError) -> None:
        """What the application answers a handshake that is not for it."""
        self._end_with(refusals.answer(error))
        self.server.protocol_disconnected(self)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        """autobahn's own method repeats in its answer what the client sent."""
        answers = {400: refusals.answer(heads.NoHandshake()), 403: refusals.response(403, [(b"content-length", b"0")], b"")}
        self._end_with(answers.get(code) or refusals.answer(Internal()))

    def _end_with(self, answer: bytes) -> None:
        self.wasNotCleanReason = "refused"
        self.sendData(answer)
        self.dropConnection()

    # Slow clients

    def onAutoPingTimeout(self) -> None:
        """The client had no chance to answer a ping that stands behind what it does not read: it is slow, and not lost."""
        unsent = len(self.transport.dataBuffer) - self.transport.offset + self.transport._tempDataLen
        if unsent and hasattr(self, "application_queue"):
            self.application_queue.put_nowait({"type": "websocket.disconnect", "code": 1006, "brokerweb.slow": True})
        super().onAutoPingTimeout()

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self._flow.open.wait()

    # The end

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        begins = self.state == self.STATE_OPEN and not isReply
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if begins:
            self._linger()

    def _linger(self) -> None:
        """Read away what the client still sends, until it ends the connection or its time is over; no ping counts any more."""
        if self._lingering is None:
            self._lingering = Lingering(self.transport.abortConnection)
        for call in (self.autoPingPendingCall, self.autoPingTimeoutCall):
            if call is not None:
                call.cancel()
        self.autoPingPending = self.autoPingPendingCall = self.autoPingTimeoutCall = None
        self._paused = False
        self.transport.resumeProducing()

    def _closeConnection(self, abort: bool = False) -> None:
        """autobahn's own method resets the connection even where both sides have closed, and else may do so by a close."""
        self.transport.unregisterProducer()  # one that is held up would keep the connection open
        self._flow.open.set()
        if abort and not self.wasClean:
            self.transport.abortConnection()
            return
        self._linger()
        if self.wasClean:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._flow.open.set()
        if self._lingering is not None:
            self._lingering.cancel()
        super().connectionLost(reason)

    # Frames in

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state != self.STATE_OPEN:
            return
        if self._intake is not None and not self.muted:
            self.last_ping = time.time()
            self._note([payload if isBinary else payload.decode()])
            return
        super().onMessage(payload, isBinary)
        self._unread.append(len(payload) + FRAME)
        self._unread_bytes += self._unread[-1]
        self._read_on()

    def taking(self, receive: Receive) -> Receive:
        """What the application receives by."""
        return partial(self._take, receive)

    async def _take(self, receive: Receive) -> Message:
        event = await receive()
        if event["type"] == "websocket.receive":
            self._taken(1)
        return event

    def _taken(self, number: int) -> None:
        for _ in range(number):
            self._unread_bytes -= self._unread.popleft()
        self._read_on()

    def _read_on(self) -> None:
        """Read no further while too much waits."""
        if self._paused and self._unread_bytes < UNREAD // 2:
            self._paused = False
            self.transport.resumeProducing()
        elif not self._paused and self._unread_bytes > UNREAD and self._lingering is None:
            self._paused = True
            self.transport.pauseProducing()

    def feed(self, intake: Intake) -> None:
        """Give it every frame from now on, those that came before first. The end still comes by ``receive``."""
        queue: asyncio.Queue[Message] = self.application_queue
        for event in [queue.get_nowait() for _ in range(queue.qsize())]:
            if event["type"] == "websocket.receive":
                text = event.get("text")
                self._came.append(text if text is not None else event["bytes"])
            else:
                queue.put_nowait(event)
        self._intake = intake
        self.go_on()

    def dataReceived(self, data: bytes) -> None:
        if self._lingering is not None:
            self._lingering.heard()
            if self.state == self.STATE_CLOSED:
                return
        self._dataReceived(data)  # autobahn's own colours names for a debug line of every read
        if self._came:
            self.go_on()

    def processData(self) -> bool:
        """Take the whole texts that are next, but where the answer to a ping is waited for: any frame is one to autobahn."""
        if self._intake is not None and self._between_messages():
            texts, size = frames.whole_texts(self.data, self._intake.most, len(self.data))
            if texts:
                self.last_ping = time.time()
                self.data = self.data[size:]
                self._note(texts)
                return len(self.data) > 0
        more: bool = super().processData()
        return more

    def _between_messages(self) -> bool:
        waits = self.state != self.STATE_OPEN or self.muted or self.autoPingTimeoutCall is not None
        return not waits and not self.inside_message and self.current_frame is None

    def _note(self, came: Sequence[str | bytes]) -> None:
        for frame in came:
            self._unread.append(len(frame) + FRAME)
            self._unread_bytes += self._unread[-1]
        self._came += came
        self._read_on()

    def go_on(self) -> None:
        """Let the intake have what it takes."""
        intake = self._intake
        assert intake is not None  # noqa: S101 (nothing comes here without one)
        self._give(intake, intake.room)
        if self._came and not intake.busy:  # it handles no more
            asyncio.get_running_loop().call_soon(self.go_on)

    def _give(self, intake: Intake, most: int) -> None:
        some = [self._came.popleft() for _ in range(min(most, len(self._came)))]
        if some:
            self._taken(len(some))
            intake.put(some)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        if self._intake is not None:  # what came before counts
            self._give(self._intake, len(self._came))
        super().onClose(wasClean, code, reason)

    # Frames out

    def write(self, data: bytes) -> None:
        """Send whole frames. Raises Disconnected where nobody is to get them."""
        if self.state != self.STATE_OPEN:
            raise Disconnected
        self.sendData(data)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """autobahn's own method colours names for a debug line of every frame, whether or not anybody reads it."""
        if self.state != self.STATE_OPEN or sync or chopsize or self.send_queue:
            super().sendData(data, sync, chopsize)
        else:
            self.transport.write(data)
            self.trafficStats.outgoingOctetsWireLevel += len(data)

    def handle_reply(self, message: Message) -> None:
        """Daphne's own method forgets the reason of a close, and autobahn's refuses codes below 3000 but 1000: a client must not
        send those, a server must.
        """
        if message.get("type") != "websocket.close" or self.state == self.STATE_CONNECTING:
            super().handle_reply(message)
        elif self.state == self.STATE_OPEN:
            code, reason = message.get("code"), message.get("reason") or ""
            self.sendCloseFrame(1000 if code is None else code, encode_truncate(reason, LONGEST_REASON))


class WebSockets(WebSocketFactory):
    """Builds sockets of the kind above."""

    protocol = WebSocket
