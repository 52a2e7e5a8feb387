"""One connection of a kernel, and one to the gateway for it: heads are rewritten, bodies and answers passed on.

Requests are parsed by httptools (llhttp, which the gateway uses too): it refuses what can be read in two ways, and
is a core dependency already. Answers are not parsed at all, so streams and WebSockets pass as they come.
"""

from __future__ import annotations

import asyncio

import httptools

from workbench.client.keys import Access, FileKey
from workbench.errors import InvalidInput, WorkbenchError
from workbench_jupyter.relay.head import LARGEST, Head, refused
from workbench_jupyter.relay.references import References
from workbench_jupyter.relay.refusal import answer
from workbench_jupyter.relay.upstream import Upstream

_HEAD_SECONDS = 30.0  # until the first head is there
_LENGTHS = (b"content-length", b"transfer-encoding")
_LINGER_SECONDS = 1.0  # for a caller that still sends, to read why it was refused


class Caller(asyncio.Protocol):
    """The connection of a kernel."""

    transport: asyncio.Transport
    """To the kernel."""

    def __init__(self, references: References, upstream: Upstream) -> None:
        self._references = references
        self._upstream = upstream
        self._gateway: Gateway | None = None
        self._access: Access | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._out: list[bytes] = []
        self._raw = self._deaf = self._resuming = False
        self._refusal: WorkbenchError | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._head: Head | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._unread = 0

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; one that says nothing is not kept."""
        self.transport = transport
        self._timer = asyncio.get_running_loop().call_later(_HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the gateway know that nobody reads on."""
        self._timer.cancel()
        self._deaf = True
        if self._dialing is not None:
            self._dialing.cancel()
        if self._gateway is not None:
            self._gateway.leave()

    def pause_writing(self) -> None:
        """Read no faster than the kernel does."""
        if self._gateway is not None:
            self._gateway.pause()

    def resume_writing(self) -> None:
        """Read on."""
        if self._gateway is not None:
            self._gateway.resume()

    def gateway_lost(self, exc: Exception | None) -> None:
        """End as the gateway's side ended: what it has sent is passed on first."""
        if not self._deaf:
            self.transport.abort() if exc else self.transport.close()

    def hold(self) -> None:
        """Read no faster than the gateway does."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read on."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # -- requests ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._deaf:
            return
        if self._raw:
            self._out.append(data)
        else:
            self._read(data)
        if self._refusal is not None:
            self._refuse(self._refusal)
        else:
            self._flush()

    def _read(self, data: bytes) -> None:
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._head is not None and self._head.is_websocket:
                self._raw = True
                self._out.append(rest)
            else:  # an offer that was not passed on
                self._go_on_with_body()
                if rest:
                    self._read(rest)
        except httptools.HttpParserError:
            self._refusal = self._refusal or _not_http()
        else:
            if self._head is None and self._unread > LARGEST:
                self._refusal = self._refusal or _not_http()

    def _go_on_with_body(self) -> None:
        """Have the body read of a request whose head ended a parser with its offer: by the next one."""
        head = self._head
        self._begin()
        if head is None:
            return
        self._resuming = True
        lengths = [(name, value) for name, value in head.headers if name.lower() in _LENGTHS]
        self._head = head
        self._parser.feed_data(b"".join((b"POST / HTTP/1.1\r\n", *(b"%s: %s\r\n" % one for one in lengths), b"\r\n")))
        self._resuming = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._resuming:
            self._head, self._target, self._headers = None, b"", []

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers, which come after the head, are left out."""
        if self._head is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Send the head on, to the gateway that the kernel's key file names now."""
        if self._resuming:
            return
        self._timer.cancel()
        self._unread = 0
        head = Head(
            self._parser.get_method(), self._target, self._parser.get_http_version().encode(), tuple(self._headers)
        )
        self._head = head
        if self._refusal is not None:
            return
        try:
            head.check()
            reference = head.reference()
            key, access = self._find(reference)
        except WorkbenchError as error:
            self._refusal = error
        else:
            self._send(head, reference, key, access)

    def _find(self, reference: bytes) -> tuple[FileKey, Access]:
        key = self._references.find(reference)
        if key is None:
            raise refused()
        try:
            return key, key.current()
        except InvalidInput as error:
            raise refused() from error  # the file went with its kernel

    def _send(self, head: Head, reference: bytes, key: FileKey, access: Access) -> None:
        if self._gateway is not None and self._gateway.is_closing:
            self._gateway = None
        if self._gateway is not None and self._access is not None and self._access.url != access.url:
            self._gateway.leave()  # it took another port
            self._gateway = None
        if self._gateway is not None or self._dialing is not None:
            self._out.append(head.sent(reference, access, key.tags))
        else:
            self.hold()
            self._dialing = asyncio.get_running_loop().create_task(self._dial(head, reference, key))

    def on_body(self, body: bytes) -> None:
        """Send a piece of the body on."""
        if self._head is not None and self._head.is_chunked:
            self._out += (b"%x\r\n" % len(body), body, b"\r\n")
        else:
            self._out.append(body)

    def on_message_complete(self) -> None:
        """End the body."""
        if self._parser.should_upgrade():
            return  # its body, if it has one, is still to come
        if self._head is not None and self._head.is_chunked:
            self._out.append(b"0\r\n\r\n")
        self._unread = 0

    # -- to the gateway, or back -------------------------------------------------------------------------------------

    async def _dial(self, head: Head, reference: bytes, key: FileKey) -> None:
        gateway = Gateway(self)
        try:
            self._access = await self._upstream.connect(key, lambda: gateway)
        except WorkbenchError as error:
            self._dialing = None
            self._refuse(error)
            return
        self._dialing = None
        self._gateway = gateway
        self._out.insert(0, head.sent(reference, self._access, key.tags))
        self.go_on()
        self._flush()

    def _flush(self) -> None:
        if self._gateway is not None and self._out:
            sent, self._out = b"".join(self._out), []
            self._gateway.write(sent)

    def _refuse(self, error: WorkbenchError) -> None:
        self._deaf = True
        self._out.clear()
        if self._dialing is not None:
            self._dialing.cancel()
        if self._gateway is not None:
            self._gateway.leave()
        if self.transport.is_closing():
            return
        self.transport.write(answer(error))
        # Closed at once, with bytes unread, the kernel would get a reset in the place of the answer.
        self.transport.write_eof()
        self.go_on()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.transport.close)


class Gateway(asyncio.Protocol):
    """The connection to the gateway that belongs to one of a kernel."""

    _transport: asyncio.Transport

    def __init__(self, caller: Caller) -> None:
        self._caller: Caller | None = caller

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass on what the gateway answers, as it comes."""
        if self._caller is not None:
            self._caller.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the kernel's side."""
        if self._caller is not None:
            self._caller.gateway_lost(exc)

    def pause_writing(self) -> None:
        """Have the kernel wait."""
        if self._caller is not None:
            self._caller.hold()

    def resume_writing(self) -> None:
        """Let it go on."""
        if self._caller is not None:
            self._caller.go_on()

    def write(self, data: bytes) -> None:
        """Send."""
        self._transport.write(data)

    def pause(self) -> None:
        """Stop reading."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def leave(self) -> None:
        """End it; the kernel's side is not told."""
        self._caller = None
        self._transport.close()


def _not_http() -> InvalidInput:
    return InvalidInput(
        "The request can't be read: it is not HTTP/1.1, its length is told in two ways, or its head is too large.",
        hint="Send the request as the SDK makes it.",
    )
