"""What each protocol tells of its usage, plain and in a stream, and how its streams end."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from workbench.errors import AuthenticationFailed, LimitExceeded, ProviderTimeout
from workbench.gateway.dialects.anthropic import ANTHROPIC, MessagesReader
from workbench.gateway.dialects.bedrock import BEDROCK, ConverseReader, InvokeReader
from workbench.gateway.dialects.gemini import GEMINI, GEMINI_ARRAY, GenerateReader, PredictReader
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.gateway.native.live_meter import LiveMeter
from workbench.gateway.native.reading import Measure, NativeReader
from workbench.wire import event_stream, json_array, sse
from workbench.wire.sse import Event
from workbench.wire.usage import Usage


def sent(name: str, **fields: Any) -> Event:
    return sse.parse(sse.frame(json.dumps({"type": name, **fields}).encode(), name=name))


def message(name: str, payload: dict[str, Any]) -> Event:
    return next(event_stream.Splitter().feed(event_stream.event(name, json.dumps(payload).encode())))


def chunk(inner: dict[str, Any]) -> Event:
    return message("chunk", {"bytes": base64.b64encode(json.dumps(inner).encode()).decode()})


def whole(reader: Reader, body: dict[str, Any]) -> Usage:
    reader.whole(json.dumps(body).encode())
    assert reader.produced
    return reader.usage(question_bytes=400)


def test_anthropic_counts_cached_tokens_beside_the_input() -> None:
    told = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    assert whole(MessagesReader(), {"usage": told}) == Usage(
        input_tokens=125, output_tokens=7, cached_input_tokens=100, cache_write_tokens=20
    )


def test_anthropics_stream_tells_its_usage_in_two_parts() -> None:
    reader = MessagesReader()
    start = {"usage": {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 3}}
    assert reader.event(sent("message_start", message=start)) is Sign.PASS
    assert reader.produced
    assert not reader.started
    for _ in range(3):
        assert reader.event(sent("content_block_delta")) is Sign.PASS
    assert reader.usage(question_bytes=0) == Usage(input_tokens=8, output_tokens=3, cached_input_tokens=3)
    assert [reader.estimated] == [True]
    assert reader.event(sent("ping")) is Sign.PASS
    reader.event(sent("message_delta", usage={"output_tokens": 9}))
    assert not reader.ends_well()
    assert reader.event(sent("message_stop")) is Sign.LAST
    assert reader.usage(question_bytes=0) == Usage(input_tokens=8, output_tokens=9, cached_input_tokens=3)
    assert not reader.estimated
    assert reader.event(sent("error", error={})) is Sign.FAILED


def test_gemini_counts_thoughts_beside_the_answer() -> None:
    told = {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6,
            "cachedContentTokenCount": 3,
            "toolUsePromptTokenCount": 2,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1}]}  # fmt: skip
    assert whole(GenerateReader(), {"usageMetadata": told}) == Usage(
        input_tokens=12, output_tokens=10, cached_input_tokens=3, reasoning_tokens=6, image_output_tokens=1
    )


def test_geminis_stream_ends_well_after_a_reason() -> None:
    def piece(**fields: Any) -> Event:
        return sse.parse(sse.frame(json.dumps(fields).encode()))

    reader = GenerateReader()
    reader.event(piece(candidates=[{"content": {}}], usageMetadata={"promptTokenCount": 4}))
    assert not reader.ends_well()
    reader.event(
        piece(candidates=[{"finishReason": "STOP"}], usageMetadata={"promptTokenCount": 4, "candidatesTokenCount": 2})
    )
    assert reader.ends_well()
    assert reader.usage(question_bytes=0) == Usage(input_tokens=4, output_tokens=2)
    blocked = GenerateReader()
    blocked.event(piece(promptFeedback={"blockReason": "SAFETY"}))
    assert blocked.ends_well()
    assert blocked.event(piece(error={"code": 500})) is Sign.FAILED


def test_an_error_in_an_array_lets_the_array_be_closed() -> None:
    reader = GenerateReader()
    signs = [
        reader.event(event) for event in json_array.Splitter().feed(b'[{"candidates":[]},\n{"error":{"code":500}}]')
    ]
    assert signs == [Sign.PASS, Sign.PASS, Sign.FAILED]


def test_vertex_counts_pictures_and_the_tokens_of_vectors() -> None:
    assert whole(PredictReader(), {"predictions": [{"bytesBase64Encoded": "x"}] * 2}) == Usage(images=2)
    vector = {"embeddings": {"values": [1], "statistics": {"token_count": 3}}}
    assert whole(PredictReader(), {"predictions": [vector, vector]}) == Usage(input_tokens=6)
    assert whole(PredictReader(), {"predictions": ["odd"]}) == Usage(input_tokens=100)


def test_converse_tells_its_usage_last() -> None:
    told = {"inputTokens": 5, "outputTokens": 7, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1}
    right = Usage(input_tokens=8, output_tokens=7, cached_input_tokens=2, cache_write_tokens=1)
    assert whole(ConverseReader(), {"usage": told}) == right
    reader = ConverseReader()
    assert reader.event(message("contentBlockDelta", {"delta": {"text": "x"}})) is Sign.PASS
    assert not reader.ends_well()
    assert reader.event(message("messageStop", {})) is Sign.PASS
    assert reader.ends_well()
    assert reader.event(message("metadata", {"usage": told})) is Sign.LAST
    assert reader.usage(question_bytes=0) == right
    failure = next(event_stream.Splitter().feed(event_stream.exception("throttlingException", b"{}")))
    assert reader.event(failure) is Sign.FAILED


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        ({"usage": {"input_tokens": 3, "output_tokens": 4}}, Usage(3, 4)),
        ({"usage": {"inputTokens": 3, "outputTokens": 4}}, Usage(3, 4)),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, Usage(3, 4)),
        ({"prompt_token_count": 3, "generation_token_count": 4}, Usage(3, 4)),
        ({"inputTextTokenCount": 3, "results": [{"tokenCount": 4}]}, Usage(3, 4)),
        ({"inputTextTokenCount": 3, "embedding": []}, Usage(3, 0)),
        ({"images": ["a", "b"]}, Usage(images=2)),
        ({"outputs": []}, Usage(100, 0)),
    ],
)
def test_each_family_of_bedrock_tells_it_in_its_own_way(answer: dict[str, Any], usage: Usage) -> None:
    assert whole(InvokeReader(), answer) == usage


def test_invoke_takes_the_counts_of_the_service_where_the_family_tells_none() -> None:
    reader = NativeReader("invoke", Measure())
    counts = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "4"}
    reader.expect(framed=False, is_json=True, headers=counts)
    assert whole(reader, {"outputs": [{"text": "x"}]}) == Usage(3, 4)
    streamed = InvokeReader()
    assert streamed.event(chunk({"type": "message_start"})) is Sign.PASS
    assert not streamed.ends_well()
    metrics = {"inputTokenCount": 3, "outputTokenCount": 4}
    assert streamed.event(chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})) is Sign.LAST
    assert streamed.usage(question_bytes=0) == Usage(3, 4)


def test_what_tells_no_usage_is_free_and_what_is_no_json_is_no_answer() -> None:
    listing = NativeReader("nothing", Measure())
    listing.expect(framed=False, is_json=True, headers={})
    listing.whole(b"anything")
    assert not listing.produced
    chat = NativeReader("chat", Measure())
    chat.expect(framed=False, is_json=True, headers={})
    with pytest.raises(msgspec.DecodeError):
        chat.whole(b"<html>")


def test_speech_is_counted_by_what_was_to_be_spoken() -> None:
    reader = NativeReader("speech", Measure(characters=30))
    reader.expect(framed=False, is_json=False, headers={})
    assert reader.event(Event(raw=b"ID3", data=b"ID3")) is Sign.PASS
    assert reader.ends_well()
    assert reader.usage(question_bytes=0).characters == 30


def test_a_live_conversation_sums_what_is_told_and_counts_what_is_not() -> None:
    meter = LiveMeter()
    meter.read('{"type":"session.created"}')
    assert not meter.produced
    usage = {"input_tokens": 20, "output_tokens": 10, "input_token_details": {"cached_tokens": 4, "audio_tokens": 6},
             "output_token_details": {"audio_tokens": 3}}  # fmt: skip
    for _ in range(2):
        meter.read('{"type":"response.audio.delta","delta":"x"}')
        meter.read(json.dumps({"type": "response.done", "response": {"usage": usage}}))
    assert not meter.estimated
    assert meter.usage == Usage(40, 20, cached_input_tokens=8, audio_input_tokens=12, audio_output_tokens=6)
    meter.read('{"type":"response.audio.delta","delta":"x"}')
    assert (meter.estimated, meter.usage.output_tokens) == (True, 21)
    google = LiveMeter()
    google.read(b'{"serverContent":{},"usageMetadata":{"promptTokenCount":7,"responseTokenCount":5}}')
    assert google.usage == Usage(7, 5)


def test_errors_have_the_shape_and_the_type_of_each_protocol() -> None:
    refused, limited, late = AuthenticationFailed("no"), LimitExceeded("slow", retry_after=7), ProviderTimeout("late")
    anthropic = json.loads(ANTHROPIC.error_body(limited, "req_1"))
    assert (anthropic["type"], anthropic["error"]["type"], anthropic["request_id"]) == (
        "error",
        "rate_limit_error",
        "req_1",
    )
    google = json.loads(GEMINI.error_body(refused, "req_1"))["error"]
    assert (google["code"], google["status"]) == (401, "UNAUTHENTICATED")
    assert dict(BEDROCK.error_headers(limited)) == {b"retry-after": b"7", b"x-amzn-errortype": b"ThrottlingException"}
    assert json.loads(BEDROCK.error_body(late, "req_1"))["message"] == "late"
    frame = event_stream.read(BEDROCK.error_event(BEDROCK.error_body(limited, "req_1")) or b"")
    assert (frame.name, frame.failed) == ("throttlingException", True)
    array = b'[{"a":1}' + (GEMINI_ARRAY.error_event(GEMINI.error_body(late, "req_1")) or b"")
    assert json.loads(array)[1]["error"]["status"] == "DEADLINE_EXCEEDED"
