"""A token comes back as what it stands for, wherever it is cut; every other byte stays as it was."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from workbench.gateway.privacy.restore import TextInPieces, Vault, restore_body
from workbench.gateway.privacy.streams import StreamRestorer
from workbench.wire import event_stream, json_array, sse
from workbench.wire.json_strings import exchanged, strings

TOKEN = "<PERSON_1>"
NAME = 'Ana "Änni" O\\Neil'
VAULT = {TOKEN: NAME, "<PERSON_12>": "Bob"}
TEXT = f"Ask <P {TOKEN} or <PERSON_2> & {TOKEN}"
RIGHT = f"Ask <P {NAME} or <PERSON_2> & {NAME}"


@dataclass(frozen=True)
class Protocol:
    """How a test speaks a protocol."""

    dialect: str
    splitter: Callable[[], Any]
    stream: Callable[[list[str]], bytes]
    said: Callable[[bytes], str]


def chat(pieces: list[str]) -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return sse.frame(
            json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode()
        )

    return b"".join([chunk({"role": "assistant", "content": ""}), *(chunk({"content": p}) for p in pieces),
                     chunk({}, "stop"), sse.frame(b"[DONE]")])  # fmt: skip


def chat_said(stream: bytes) -> str:
    events = [event.data for event in sse.Splitter().feed(stream)]
    assert events[-1] == b"[DONE]"
    return "".join(json.loads(data)["choices"][0]["delta"].get("content", "") for data in events[:-1])


def responses(pieces: list[str]) -> bytes:
    def event(kind: str, **fields: Any) -> bytes:
        return sse.frame(json.dumps({"type": kind, "item_id": "m", "content_index": 0, **fields}).encode(), name=kind)

    whole = {"output": [{"content": [{"type": "output_text", "text": "".join(pieces)}]}]}
    return b"".join([
        sse.frame(b'{"type":"response.created","response":{}}', name="response.created"),
        *(event("response.output_text.delta", delta=piece) for piece in pieces),
        event("response.output_text.done", text="".join(pieces)),
        sse.frame(json.dumps({"type": "response.completed", "response": whole}).encode(), name="response.completed"),
    ])  # fmt: skip


def responses_said(stream: bytes) -> str:
    events = [json.loads(event.data) for event in sse.Splitter().feed(stream)]
    said = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    assert [event["text"] for event in events if event["type"].endswith(".done")] == [said]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == said
    return said


def messages(pieces: list[str]) -> bytes:
    def event(name: str, **fields: Any) -> bytes:
        return sse.frame(json.dumps({"type": name, **fields}).encode(), name=name)

    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": p}) for p in pieces]
    return b"".join([event("message_start"), event("content_block_start", index=0), *deltas,
                     event("content_block_stop", index=0), event("message_stop")])  # fmt: skip


def messages_said(stream: bytes) -> str:
    events = list(sse.Splitter().feed(stream))
    assert [event.name for event in events if event.name != "content_block_delta"] == [
        "message_start", "content_block_start", "content_block_stop", "message_stop"]  # fmt: skip
    told = [json.loads(event.data) for event in events if event.name == "content_block_delta"]
    assert all(one["type"] == "content_block_delta" and one["index"] == 0 for one in told)
    return "".join(one["delta"]["text"] for one in told)


def candidates(pieces: list[str]) -> Iterator[bytes]:
    for piece in pieces:
        # Google writes < and > as escapes
        text = json.dumps(piece).replace("<", "\\u003c").replace(">", "\\u003e")
        yield b'{"candidates": [ {"content":{"parts":[{"text": %b}]},"index":0} ] }' % text.encode()
    yield b'{"candidates":[{"content":{"parts":[]},"finishReason":"STOP","index":0}]}'


def candidates_said(told: list[Any]) -> str:
    assert told[-1]["candidates"][0]["finishReason"] == "STOP"
    return "".join(part["text"] for one in told for part in one["candidates"][0]["content"]["parts"])


def converse(pieces: list[str]) -> bytes:
    def message(name: str, **fields: Any) -> bytes:
        return event_stream.event(name, json.dumps(fields).encode())

    deltas = [message("contentBlockDelta", contentBlockIndex=0, delta={"text": p}) for p in pieces]
    return b"".join([message("messageStart", role="assistant"), *deltas,
                     message("contentBlockStop", contentBlockIndex=0), message("messageStop", stopReason="end_turn"),
                     message("metadata", usage={})])  # fmt: skip


def converse_said(stream: bytes) -> str:
    told = list(event_stream.Splitter().feed(stream))  # checks every CRC
    names = [event.name for event in told if event.name != "contentBlockDelta"]
    assert names == ["messageStart", "contentBlockStop", "messageStop", "metadata"]
    return "".join(json.loads(one.data)["delta"]["text"] for one in told if one.name == "contentBlockDelta")


def invoked(pieces: list[str]) -> bytes:
    def chunk(inner: bytes) -> bytes:
        return event_stream.event("chunk", json.dumps({"bytes": base64.b64encode(inner).decode()}).encode())

    return b"".join(chunk(event.data) for event in sse.Splitter().feed(messages(pieces)))


def invoked_said(stream: bytes) -> str:
    told = [base64.b64decode(json.loads(event.data)["bytes"]) for event in event_stream.Splitter().feed(stream)]
    return messages_said(b"".join(sse.frame(inner, name=json.loads(inner)["type"]) for inner in told))


PROTOCOLS = {
    "openai chat": Protocol("openai", sse.Splitter, chat, chat_said),
    "openai responses": Protocol("openai", sse.Splitter, responses, responses_said),
    "anthropic": Protocol("anthropic", sse.Splitter, messages, messages_said),
    "gemini sse": Protocol(
        "gemini", sse.Splitter, lambda pieces: b"".join(map(sse.frame, candidates(pieces))),
        lambda stream: candidates_said([json.loads(event.data) for event in sse.Splitter().feed(stream)]),
    ),
    "gemini array": Protocol(
        "gemini", json_array.Splitter, lambda pieces: b"[" + b",\r\n".join(candidates(pieces)) + b"\n]\n",
        lambda stream: candidates_said(json.loads(stream)),
    ),
    "bedrock converse": Protocol("bedrock", event_stream.Splitter, converse, converse_said),
    "bedrock invoke": Protocol("bedrock", event_stream.Splitter, invoked, invoked_said),
}  # fmt: skip


def restored(protocol: Protocol, stream: bytes, vault: dict[str, str], *, cut: int | None = None) -> bytes:
    splitter, restorer = protocol.splitter(), StreamRestorer(Vault(vault), protocol.dialect)
    chunks = [stream] if cut is None else [stream[:cut], stream[cut:]]
    return b"".join(restorer.event(event).raw for chunk in chunks for event in splitter.feed(chunk))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_token_is_restored_at_every_split_of_the_text(name: str) -> None:
    protocol = PROTOCOLS[name]
    for first in range(len(TEXT) + 1):
        for second in (first, *range(first + 1, len(TEXT) + 1, 4)):
            stream = protocol.stream([TEXT[:first], TEXT[first:second], TEXT[second:]])
            assert protocol.said(restored(protocol, stream, VAULT)) == RIGHT
    letters = protocol.stream(list(TEXT))
    assert protocol.said(restored(protocol, letters, VAULT)) == RIGHT


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_token_is_restored_at_every_split_of_the_bytes(name: str) -> None:
    protocol = PROTOCOLS[name]
    stream = protocol.stream([TEXT[:15], TEXT[15:]])
    whole = restored(protocol, stream, VAULT)
    assert protocol.said(whole) == RIGHT
    assert all(restored(protocol, stream, VAULT, cut=cut) == whole for cut in range(len(stream)))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_stream_without_a_token_passes_byte_for_byte(name: str) -> None:
    protocol = PROTOCOLS[name]
    stream = protocol.stream(["no token ", "in \\ here: é < 1 > "])
    assert restored(protocol, stream, VAULT) == stream


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_was_held_back_comes_before_the_end(name: str) -> None:
    protocol = PROTOCOLS[name]
    for length in range(1, len(TOKEN) + 1):
        right = NAME if length == len(TOKEN) else TOKEN[:length]
        assert protocol.said(restored(protocol, protocol.stream(["so: ", TOKEN[:length]]), VAULT)) == f"so: {right}"


def test_only_what_may_begin_a_token_is_held_back() -> None:
    text = TextInPieces(Vault(VAULT))
    assert text.feed("a < b <PER") == "a < b "
    assert text.feed("X") == "<PERX"
    assert text.feed("<PERSON_1") == ""  # 1> or 12> may follow
    assert text.feed("2>!") == "Bob!"
    assert text.end() == ""


def test_what_a_token_stood_for_is_not_searched_again() -> None:
    text = TextInPieces(Vault({"<A>": "<B>", "<B>": "no"}))
    assert text.feed("<A") + text.feed("><") + text.end() == "<B><"


def test_arguments_of_tools_stay_json() -> None:
    def chunk(text: str, finish: str | None = None) -> bytes:
        call = [{"index": 0, "function": {"arguments": text}}]
        return sse.frame(
            json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": call}, "finish_reason": finish}]}).encode()
        )

    arguments = json.dumps({"who": TOKEN})
    for cut in range(len(arguments)):
        stream = chunk(arguments[:cut]) + chunk(arguments[cut:], "tool_calls") + sse.frame(b"[DONE]")
        restorer = StreamRestorer(Vault(VAULT), "openai")
        told = [restorer.event(event).data for event in sse.Splitter().feed(stream)][:-1]
        calls = [json.loads(data)["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for data in told]
        assert json.loads("".join(calls)) == {"who": NAME}


def test_texts_of_two_choices_are_kept_apart() -> None:
    def chunk(index: int, text: str) -> bytes:
        return sse.frame(json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}).encode())

    stream = chunk(0, "<PERS") + chunk(1, "<PER") + chunk(0, "ON_1>") + chunk(1, "haps>") + sse.frame(b"[DONE]")
    restorer = StreamRestorer(Vault(VAULT), "openai")
    said = ["", ""]
    for event in sse.Splitter().feed(stream):
        for inner in sse.Splitter().feed(restorer.event(event).raw):
            for choice in json.loads(inner.data)["choices"] if inner.data != b"[DONE]" else []:
                said[choice["index"]] += choice["delta"]["content"]
    assert said == [NAME, "<PERhaps>"]


def test_a_plain_answer_is_restored_in_its_values_and_nowhere_else() -> None:
    arguments = b'{"arguments":"{\\"who\\":\\"<PERSON_1>\\"}"}'
    body = b'{ "x\\u00e9":1.50, "<PERSON_1>" : ["\\u003cPERSON_1\\u003e", %b], "y":"<P" }' % arguments
    told = restore_body(Vault(VAULT), body, b"application/json; charset=utf-8")
    assert told.startswith(b'{ "x\\u00e9":1.50, "<PERSON_1>" : ["Ana')
    assert told.endswith(b', "y":"<P" }')
    value = json.loads(told)
    assert value[TOKEN][0] == NAME
    assert json.loads(value[TOKEN][1]["arguments"]) == {"who": NAME}
    assert restore_body(Vault(VAULT), b'{"a":"<P"}', b"application/json") == b'{"a":"<P"}'
    assert restore_body(Vault(VAULT), TOKEN.encode(), b"text/plain") == NAME.encode()
    assert restore_body(Vault(VAULT), TOKEN.encode(), b"audio/mpeg") == TOKEN.encode()


def test_strings_are_found_where_they_stand() -> None:
    text = b'[{"a":"x","b":[1,"y",{"c":"z\\"}"}],"d":{}},"w"]'
    assert {found.path: text[found.start : found.end] for found in strings(text)} == {
        (0, "a"): b'"x"', (0, "b", 1): b'"y"', (0, "b", 2, "c"): b'"z\\"}"', (1,): b'"w"',
    }  # fmt: skip
    assert exchanged(text, {(0, "b", 1): 'q"'}) == text.replace(b'"y"', b'"q\\""')
