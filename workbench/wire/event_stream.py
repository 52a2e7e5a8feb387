"""AWS event streams: binary messages with headers, read without being re-framed and checked by their CRCs.

Source: AWS, "Amazon event stream encoding" (application/vnd.amazon.eventstream): total length, header length, CRC of
these eight bytes, headers, payload, CRC of all before it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.errors import ProviderError
from workbench.wire.sse import Event

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""What AWS allows for one message's payload; a length beyond it is taken for a broken stream, not waited for."""

_PRELUDE = 12
_SMALLEST = _PRELUDE + 4
_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_STRING, _BYTES = 7, 6
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of the header values that have no length of their own: booleans, integers, timestamp, UUID."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an event stream."""

    headers: dict[str, str]
    """Its string headers, such as `:message-type`; those of another type are left out."""
    payload: bytes
    """Its payload, for Bedrock a JSON object."""

    @property
    def name(self) -> str:
        """Return what kind of event it is: `:event-type`, or for a failure `:exception-type` or `:error-code`."""
        by_type = {"exception": ":exception-type", "error": ":error-code"}
        return self.headers.get(by_type.get(self.headers.get(":message-type", ""), ":event-type"), "")

    @property
    def failed(self) -> bool:
        """Return whether the message tells of a failure."""
        return self.headers.get(":message-type") in ("exception", "error")


class Splitter:
    """Collect chunks of an event stream and give out each message that has become whole, as an `Event`.

    `Event.data` is the payload, `Event.name` the message's name; `read(event.raw)` gives its headers.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """Bytes that belong to a message whose end has not come."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the messages that `chunk` completes; raises ProviderError where lengths or CRCs are wrong."""
        self._rest += chunk
        while len(self._rest) >= _PRELUDE:
            length = _length(self._rest)
            if len(self._rest) < length:
                return
            raw = bytes(self._rest[:length])
            del self._rest[:length]
            message = read(raw)
            yield Event(raw=raw, data=message.payload, name=message.name)


def read(raw: bytes) -> Message:
    """Read one whole message; raises ProviderError where it is none."""
    if len(raw) < _SMALLEST or _length(raw) != len(raw):
        raise _broken("a length that does not fit")
    if zlib.crc32(raw[:-4]) != _CRC.unpack_from(raw, len(raw) - 4)[0]:
        raise _broken("a wrong checksum")
    payload_at = _PRELUDE + _LENGTHS.unpack_from(raw)[1]
    return Message(dict(_headers(raw[_PRELUDE:payload_at])), raw[payload_at:-4])


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message as bytes."""
    head = b"".join(_encoded(name.encode(), value.encode()) for name, value in headers.items())
    lengths = _LENGTHS.pack(_SMALLEST + len(head) + len(payload), len(head))
    whole = lengths + _CRC.pack(zlib.crc32(lengths)) + head + payload
    return whole + _CRC.pack(zlib.crc32(whole))


def event(name: str, payload: bytes) -> bytes:
    """Return an event with a JSON payload."""
    return encode(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload
    )  # fmt: skip


def exception(name: str, payload: bytes) -> bytes:
    """Return the message by which a stream tells of a failure that its service models, such as throttlingException."""
    return encode(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload
    )  # fmt: skip


def _length(raw: bytes | bytearray) -> int:
    """Return the length of the message that begins here, once its prelude has been checked."""
    length, of_headers = _LENGTHS.unpack_from(raw)
    if zlib.crc32(raw[:8]) != _CRC.unpack_from(raw, 8)[0]:
        raise _broken("a wrong checksum")
    if not _SMALLEST + of_headers <= length <= MAX_MESSAGE_BYTES + _SMALLEST + of_headers:
        raise _broken("a length that does not fit")
    return int(length)


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    try:
        while at < len(raw):
            name_end = at + 1 + raw[at]
            name, kind = raw[at + 1 : name_end].decode(), raw[name_end]
            at = name_end + 1
            if kind in (_STRING, _BYTES):
                size, at = _SHORT.unpack_from(raw, at)[0], at + 2
            else:
                size = _FIXED[kind]
            if kind == _STRING:
                yield name, raw[at : at + size].decode()
            at += size
    except (IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
        raise _broken("headers that can't be read") from error
    if at != len(raw):
        raise _broken("headers that can't be read")


def _encoded(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([_STRING]) + _SHORT.pack(len(value)) + value


def _broken(what: str) -> ProviderError:
    return ProviderError(f"The provider's event stream is broken: a message has {what}.")
