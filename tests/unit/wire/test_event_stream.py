"""AWS event streams: our encoder and botocore's reader agree, however the bytes are cut."""

import json
from itertools import pairwise

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ProviderError
from workbench.wire import event_stream
from workbench.wire.event_stream import Splitter, encode, event, exception, read

MESSAGES = [
    event("messageStart", b'{"role":"assistant"}'),
    event("contentBlockDelta", json.dumps({"delta": {"text": "sn\u00f6 \U0001f600"}}).encode()),
    exception("throttlingException", b'{"message":"slow down"}'),
    encode({}, b""),
]
STREAM = b"".join(MESSAGES)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_a_stream_is_cut_its_messages_are_the_same(cuts: list[int]) -> None:
    splitter = Splitter()
    events = [e for a, b in pairwise([0, *sorted(cuts), len(STREAM)]) for e in splitter.feed(STREAM[a:b])]
    assert [e.raw for e in events] == MESSAGES
    assert [e.name for e in events] == ["messageStart", "contentBlockDelta", "throttlingException", ""]
    assert splitter.rest == b""


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=4), st.binary(max_size=300))
def test_botocore_reads_what_is_written_here(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode(headers, payload))
    (message,) = list(buffer)
    assert (message.headers, message.payload) == (headers, payload)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=4), st.binary(max_size=300))
def test_what_is_written_is_read_back(headers: dict[str, str], payload: bytes) -> None:
    message = read(encode(headers, payload))
    assert (message.headers, message.payload) == (headers, payload)


@given(st.integers(0, len(MESSAGES[1]) - 1), st.integers(1, 255))
def test_one_changed_byte_is_never_given_out(place: int, change: int) -> None:
    broken = bytearray(MESSAGES[1])
    broken[place] ^= change
    splitter = Splitter()
    with pytest.raises(ProviderError, match="broken"):
        list(splitter.feed(bytes(broken)))


def test_headers_of_other_types_are_passed_over() -> None:
    import struct
    import zlib

    head = b"\x01a\x00" + b"\x01b\x04" + struct.pack(">i", 7) + b"\x01c\x06\x00\x02xy" + b"\x01d\x07\x00\x01z"
    lengths = struct.pack(">II", 16 + len(head) + 2, len(head))
    whole = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + b"{}"
    message = read(whole + struct.pack(">I", zlib.crc32(whole)))
    assert message.headers == {"d": "z"}
    assert message.payload == b"{}"


def test_failures_are_told_apart_from_events() -> None:
    assert [read(raw).failed for raw in MESSAGES] == [False, False, True, False]
    assert read(encode({":message-type": "error", ":error-code": "InternalFailure"}, b"")).name == "InternalFailure"


def test_a_length_beyond_what_aws_sends_is_refused_at_once() -> None:
    import struct
    import zlib

    lengths = struct.pack(">II", 2**31, 0)
    with pytest.raises(ProviderError):
        list(Splitter().feed(lengths + struct.pack(">I", zlib.crc32(lengths))))


def test_an_unfinished_message_is_kept() -> None:
    splitter = Splitter()
    assert list(splitter.feed(MESSAGES[0][:-1])) == []
    assert splitter.rest == MESSAGES[0][:-1]
    assert event_stream.CONTENT_TYPE.startswith("application/vnd.amazon")
