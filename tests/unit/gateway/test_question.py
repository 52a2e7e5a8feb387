"""Bodies: what is refused by name, and what passes untouched."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from workbench.gateway.unified.body import ClientLeft, read_body
from workbench.gateway.unified.operations import CHAT, EMBEDDINGS
from workbench.gateway.unified.question import _READ

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def chat(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def refused(body: object, operation=CHAT) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        operation.parse(chat(body), {})
    return caught.value


def test_every_field_but_the_model_passes_byte_for_byte() -> None:
    body = (
        b'{ "temperature":1.0, "model":"m", "y": 12345678901234567890123, "x":{"b" : [1e3,\n2.50]},'
        b' "messages":[{"role":"user","content":"\\u00e9\xc3\xa9"}] }'
    )
    sent = CHAT.parse(body, {}).body_for("upstream/model")
    fields = msgspec.json.decode(sent, type=dict[str, msgspec.Raw])
    assert bytes(fields["temperature"]) == b"1.0"
    assert bytes(fields["y"]) == b"12345678901234567890123"
    assert bytes(fields["x"]) == b'{"b" : [1e3,\n2.50]}'
    assert bytes(fields["messages"]) == b'[{"role":"user","content":"\\u00e9\xc3\xa9"}]'
    assert bytes(fields["model"]) == b'"upstream/model"'
    assert set(fields) == {"temperature", "y", "x", "messages", "model"}


@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda n: n not in ("stop", "seed") and n.casefold() not in _READ),
        st.recursive(st.none() | st.booleans() | st.text() | st.integers(-10, 10), st.lists, max_leaves=5),
        max_size=4,
    )
)
def test_unknown_fields_arrive_as_they_were(unknown: dict[str, object]) -> None:
    assert json.loads(CHAT.parse(chat({**unknown, **HELLO}), {}).body_for("m")) == {**unknown, **HELLO}


@pytest.mark.parametrize("name", ["Model", "MODEL", "Stream", "\u017ftream", "Max_Tokens"])
def test_a_field_that_some_servers_read_as_another_is_refused(name: str) -> None:
    assert refused({**HELLO, name: "large"}).param == name


def test_usage_is_always_asked_for_of_a_stream() -> None:
    question = CHAT.parse(chat({**HELLO, "stream": True, "stream_options": {"x": 1}}), {})
    assert not question.wants_usage
    assert json.loads(question.body_for("m"))["stream_options"] == {"x": 1, "include_usage": True}
    asked = CHAT.parse(chat({**HELLO, "stream": True, "stream_options": {"include_usage": True}}), {})
    assert asked.wants_usage
    for options in (None, {}, {"include_usage": False}, {"include_usage": None}):
        told = CHAT.parse(chat({**HELLO, "stream": True, "stream_options": options}), {}).body_for("m")
        assert json.loads(told)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in json.loads(CHAT.parse(chat(HELLO), {}).body_for("m"))


@pytest.mark.parametrize(("body", "param"), [
    ({"messages": HELLO["messages"]}, "model"), ({"model": "m"}, "messages"), ({"model": 1, "messages": []}, "model"),
    ({**HELLO, "messages": []}, "messages"), ({**HELLO, "messages": "hello"}, "messages"),
    ({**HELLO, "messages": ["hello"]}, "messages[...]"), ({**HELLO, "messages": [{"content": "x"}]}, "messages[...]"),
    ({**HELLO, "messages": [{"role": "user", "content": 5}]}, "messages[...].content"),
    ({**HELLO, "temperature": "hot"}, "temperature"), ({**HELLO, "stream": "yes"}, "stream"),
    ({**HELLO, "n": 1.5}, "n"),
    ({**HELLO, "max_tokens": "many"}, "max_tokens"), ({**HELLO, "stream_options": []}, "stream_options"),
])  # fmt: skip
def test_a_wrong_field_is_named(body: object, param: str) -> None:
    found = refused(body).param
    assert found is not None
    assert found.replace("[0]", "[...]").startswith(param)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{'model': 'm'}", b'{"model": "m", "messages": [NaN]}',
    b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800 alone"}]}',
    b'{"model": "m", "messages": [{"role": "user", "content": "\x00"}]}',
    b'{"model": "m", "user": "\xff\xff", "messages": [{"role": "user", "content": "x"}]}',
    b'{"model": "m", "user": "\\udc00 low", "messages": [{"role": "user", "content": "x"}]}',
])  # fmt: skip
def test_what_is_no_json_text_is_refused(body: bytes) -> None:
    refused(body)


def nested(levels: int) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":' + b"[" * levels + b"]" * levels + b"}"


def test_200_levels_are_taken_and_201_are_not() -> None:
    assert CHAT.parse(nested(199), {}).model == "m"
    assert "200 levels" in refused(nested(200)).message
    assert "200 levels" in refused(nested(100_000)).message


def test_many_brackets_that_are_not_deep_are_taken() -> None:
    assert EMBEDDINGS.parse(chat({"model": "m", "input": [[1, 2]] * 500}), {}).model == "m"


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_question_or_a_refusal(body: bytes) -> None:
    for operation in (CHAT, EMBEDDINGS):
        with contextlib.suppress(InvalidInput):
            operation.parse(body, {})


@pytest.mark.parametrize(
    "wrong", ["", [], [""], ["a", ""], [1, "a"], [[]], [["a"]], [None], [{}], [[1], []], 5, None, {}, [True]]
)
def test_what_cannot_be_embedded_is_refused(wrong: object) -> None:
    assert refused({"model": "m", "input": wrong}, EMBEDDINGS).param == "input"


@pytest.mark.parametrize("right", ["a", ["a"], [1, 2], [[1, 2], [3]]])
def test_what_can_be_embedded_passes(right: object) -> None:
    assert json.loads(EMBEDDINGS.parse(chat({"model": "m", "input": right}), {}).body_for("m"))["input"] == right


class TestReading:
    @staticmethod
    def receiver(*chunks: bytes, left: bool = False):
        messages = [
            {"type": "http.request", "body": c, "more_body": left or n < len(chunks) - 1} for n, c in enumerate(chunks)
        ]
        messages.append({"type": "http.disconnect"})
        taken = []

        async def receive():
            taken.append(1)
            return messages.pop(0)

        return receive, taken

    async def test_pieces_are_joined(self) -> None:
        receive, _ = self.receiver(b"ab", b"cd")
        assert await read_body(receive, {}, limit=4) == b"abcd"

    async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(self) -> None:
        receive, _ = self.receiver(b"abcde", b"never read")
        with pytest.raises(PayloadTooLarge):
            await read_body(receive, {}, limit=4)

    async def test_a_declared_length_over_the_limit_is_refused_unread(self) -> None:
        receive, taken = self.receiver(b"abcde")
        with pytest.raises(PayloadTooLarge):
            await read_body(receive, {b"content-length": b"5"}, limit=4)
        assert taken == []

    async def test_another_content_type_is_refused_unread(self) -> None:
        receive, taken = self.receiver(b"a")
        with pytest.raises(UnsupportedMedia):
            await read_body(receive, {b"content-type": b"text/plain"}, limit=4)
        assert taken == []

    async def test_a_client_that_leaves_is_told_apart(self) -> None:
        receive, _ = self.receiver(b"a", left=True)
        with pytest.raises(ClientLeft):
            await read_body(receive, {b"content-type": b"application/json; charset=utf-8"}, limit=4)
