"""A stream comes out of the splitter as it went in, however it was cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workbench.wire.sse import Splitter, frame, parse

STREAM = (
    b'data: {"a": 1}\n\n: a comment\n\nevent: ping\ndata: {"type": "ping"}\n\n'
    b"data: one\r\ndata: two\r\n\r\ndata:tight\n\nid: 7\ndata: x\n\ndata: [DONE]\n\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_a_stream_is_cut_its_events_are_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    splitter = Splitter()
    events = [event for a, b in pairwise(places) for event in splitter.feed(STREAM[a:b])]
    assert b"".join(event.raw for event in events) == STREAM
    assert [event.data for event in events] == [
        b'{"a": 1}',
        b"",
        b'{"type": "ping"}',
        b"one\ntwo",
        b"tight",
        b"x",
        b"[DONE]",
    ]
    assert splitter.rest == b""


def test_an_event_whose_end_has_not_come_is_kept() -> None:
    splitter = Splitter()
    assert list(splitter.feed(b"data: half")) == []
    assert splitter.rest == b"data: half"


@given(st.binary().filter(lambda data: b"\r" not in data and b"\n" not in data and not data.startswith(b" ")))
def test_a_framed_line_is_read_back(data: bytes) -> None:
    assert parse(frame(data)).data == data
    assert parse(frame(data, name="x")).name == "x"


def test_a_huge_event_is_put_together_once() -> None:
    splitter = Splitter()
    event = b"data: " + b"x" * 8_000_000 + b"\n\n"
    pieces = [event[i : i + 500] for i in range(0, len(event), 500)]
    events = [event for piece in pieces for event in splitter.feed(piece)]  # 64 GB of copies, were each piece added
    assert [found.raw for found in events] == [event]
    assert splitter.rest == b""
