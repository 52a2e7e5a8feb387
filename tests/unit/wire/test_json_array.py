"""A JSON array comes out of the splitter as it went in, an element at a time."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ProviderError
from workbench.wire.json_array import END, Splitter

ELEMENTS: list[Any] = [
    {"text": 'brackets ]}" and \\ in text', "deep": [[{"a": []}], {}]},
    {},
    {"text": "sn\u00f6 \U0001f600 \\", "empty": ""},
]
STREAM = ("[" + "\n,\r\n".join(json.dumps(e, ensure_ascii=False, indent=1) for e in ELEMENTS) + "\n]\n").encode()


def cut(stream: bytes, places: list[int]) -> tuple[list[Any], bytes, bool]:
    splitter = Splitter()
    events = [e for a, b in pairwise([0, *sorted(places), len(stream)]) for e in splitter.feed(stream[a:b])]
    told = [json.loads(e.data) for e in events if e.data]
    return told, b"".join(e.raw for e in events) + splitter.rest, any(e.name == END for e in events)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_an_array_is_cut_its_elements_are_the_same(places: list[int]) -> None:
    assert cut(STREAM, places) == (ELEMENTS, STREAM, True)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), _json, max_size=3), max_size=4), st.lists(st.integers(0, 60), max_size=6))
def test_any_array_of_objects_is_split(elements: list[Any], places: list[int]) -> None:
    stream = json.dumps(elements).encode()
    places = [min(place, len(stream)) for place in places]
    assert cut(stream, places) == (elements, stream, True)


def test_an_array_without_its_end_has_no_end() -> None:
    splitter = Splitter()
    events = list(splitter.feed(b'[{"a": 1},\n{"b"'))
    assert [(e.raw, e.data, e.name) for e in events] == [(b'[{"a": 1}', b'{"a": 1}', "")]
    assert splitter.rest == b',\n{"b"'


@pytest.mark.parametrize("stream", [b'{"error": {}}', b"<html>", b"[1, 2]", b'["x"]', b"[{}] {}", b"[[{}]]", b"null"])
def test_what_is_no_array_of_objects_is_refused(stream: bytes) -> None:
    with pytest.raises(ProviderError, match="array"):
        list(Splitter().feed(stream))
