"""The head of a request: which reference it carries, and what is sent on with the key in the reference's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from workbench.client.keys import Access
from workbench.errors import AuthenticationFailed, InvalidInput
from workbench.wire.cell import with_tags
from workbench.wire.headers import TAGS
from workbench_jupyter.relay.reference import PATTERN

LARGEST = 65536
"""Bytes that a head may have."""
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"sec-websocket-protocol"})
"""Where an SDK puts a key; in the head's other places a reference stays what it is, so that no log gets a key."""
_DROPPED = frozenset({b"host", b"proxy-authorization", b"proxy-connection", b"http2-settings", TAGS.encode()})
_LOOPBACK = (b"127.0.0.1", b"localhost")


@dataclass(frozen=True)
class Head:
    """One request's head, parsed."""

    method: bytes
    """GET, POST, ..."""
    target: bytes
    """Path and query as they were sent."""
    version: bytes
    """1.0 or 1.1."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Names as they were sent, and values."""

    @property
    def is_websocket(self) -> bool:
        """Whether the connection is to become a WebSocket."""
        return any(name.lower() == b"upgrade" and value.lower() == b"websocket" for name, value in self.headers)

    @property
    def is_chunked(self) -> bool:
        """Whether its body comes in chunks."""
        return any(name.lower() == b"transfer-encoding" for name, _ in self.headers)

    def check(self) -> None:
        """Raise InvalidInput for what no SDK sends to a relay."""
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.target) > LARGEST:
            raise InvalidInput(f"The head of the request is over {LARGEST} bytes.", hint="Send fewer headers.")
        if self.method == b"CONNECT" or not self.target.startswith(b"/"):
            raise InvalidInput("This is no proxy.", hint="Send a path of the gateway.")
        names = [name.lower() for name, _ in self.headers]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise InvalidInput(
                "The request tells its length in two ways.", hint="Send the request as the SDK makes it."
            )
        hosts = [value.rpartition(b":")[0] or value for name, value in self.headers if name.lower() == b"host"]
        if len(hosts) > 1 or any(host not in _LOOPBACK for host in hosts):
            # A name that somebody else's DNS gave this address: the caller is a web page.
            raise InvalidInput("The request is meant for another host.", hint="Send it to 127.0.0.1.")

    def reference(self) -> bytes:
        """Return the reference that it carries; raises AuthenticationFailed where there is not exactly one."""
        found: set[bytes] = {reference for place in self._places() for reference in PATTERN.findall(place)}
        if len(found) != 1:
            raise refused()
        return found.pop()

    def sent(self, reference: bytes, access: Access, tags: Mapping[str, str]) -> bytes:
        """Return the head that the gateway gets."""
        root, key = urlsplit(access.url), access.key.encode()
        path, mark, query = self.target.partition(b"?")
        target = root.path.encode() + path + mark + query.replace(reference, key)
        lines = [b"%s %s HTTP/%s" % (self.method, target, self.version), b"host: " + root.netloc.encode()]
        theirs = []
        for name, value in self.headers:
            low = name.lower()
            if low == TAGS.encode():
                theirs.append(value.decode("latin-1"))
            elif low == b"upgrade" and not self.is_websocket:
                continue  # to HTTP/2, which Java's client offers with every request
            elif low == b"connection" and not self.is_websocket:
                lines += [b"connection: close"] if b"close" in value.lower() else []
            elif low not in _DROPPED:
                lines.append(name + b": " + (value.replace(reference, key) if low in _CREDENTIALS else value))
        if told := with_tags(",".join(theirs), tags):
            lines.append(TAGS.encode() + b": " + told.encode("latin-1"))
        return b"\r\n".join((*lines, b"", b""))

    def _places(self) -> Iterator[bytes]:
        yield self.target.partition(b"?")[2]
        yield from (value for name, value in self.headers if name.lower() in _CREDENTIALS)


def refused() -> AuthenticationFailed:
    """Return the error for a request without the reference of a kernel that lives."""
    # LiteLLM knows a refused key by these first words.
    return AuthenticationFailed(
        "Incorrect API key provided: it is not what was mounted into a living kernel of this Jupyter server.",
        hint="In a notebook, leave key and base URL to the environment; elsewhere take a key of "
        "`workbench keys issue` and the gateway's own URL.",
    )
