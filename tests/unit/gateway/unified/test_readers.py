"""What each kind of answer used, as it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.gateway.dialects.openai_events import (
    FreeReader,
    PicturesReader,
    PlainTranscriptReader,
    RankingReader,
    ResponsesReader,
    SpeechReader,
    TranscriptReader,
    seconds_of,
)
from workbench.gateway.dialects.reader import Sign
from workbench.gateway.providers.refusal import StreamFailed
from workbench.wire.sse import Event, frame, parse
from workbench.wire.usage import Usage


def event(**fields: Any) -> Event:
    return parse(frame(json.dumps(fields).encode(), name=fields.get("type", "")))


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


TOKENS = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete"])
def test_a_response_begins_quietly_and_ends_by_its_event(end: str) -> None:
    reader = ResponsesReader()
    assert reader.event(event(type="response.created", response={"id": "r"})) is Sign.PASS
    assert reader.event(event(type="response.in_progress", response={"id": "r"})) is Sign.PASS
    assert not reader.started
    assert reader.event(event(type="response.output_text.delta", delta='"error"')) is Sign.PASS
    assert reader.started
    assert reader.event(event(type=end, response={"id": "r", "usage": TOKENS})) is Sign.LAST
    assert reader.usage(question_bytes=0) == Usage(5, 3)
    assert not reader.ends_well()


@pytest.mark.parametrize("failed", [
    {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "too hot"}}},
    {"type": "error", "code": "server_error", "message": "too hot"},
    {"error": {"message": "too hot"}},
])  # fmt: skip
def test_a_failed_response_is_a_failure_that_tells_why(failed: dict[str, Any]) -> None:
    assert ResponsesReader().event(event(**failed)) is Sign.FAILED
    assert "too hot" in StreamFailed("acme", event(**failed)).message


def test_a_response_in_the_background_has_used_nothing_yet() -> None:
    reader = ResponsesReader()
    reader.whole(body(id="r", status="queued", usage=None))
    assert not reader.produced


def test_pictures_are_counted_with_and_without_tokens() -> None:
    reader = PicturesReader(count=2)
    reader.whole(body(data=[{"b64_json": "x"}, {"b64_json": "y"}]))
    assert reader.usage(question_bytes=0) == Usage(images=2)
    assert not reader.estimated
    reader = PicturesReader(count=2)
    assert reader.event(event(type="image_generation.partial_image", b64_json="x")) is Sign.PASS
    assert reader.event(event(type="image_generation.completed", usage=TOKENS)) is Sign.PASS
    assert reader.event(event(type="image_generation.completed", usage=TOKENS)) is Sign.LAST
    assert reader.usage(question_bytes=0) == Usage(10, 6, images=2, image_output_tokens=6)
    left = PicturesReader(count=2)
    left.left()
    assert left.produced
    assert left.usage(question_bytes=9) == Usage(images=2)


@pytest.mark.parametrize(("told", "usage"), [
    ({"text": "x", "usage": {"type": "duration", "seconds": 7}}, Usage(audio_seconds=7)),
    ({"text": "x", "duration": 8.5}, Usage(audio_seconds=8.5)),
    ({"text": "x", "duration": "8.5"}, Usage(audio_seconds=8.5)),
    ({"text": "x"}, Usage(audio_seconds=3)), ({"text": "x", "duration": "long"}, Usage(audio_seconds=3)),
    ({"text": "x", "usage": {"type": "tokens", **TOKENS}}, Usage(5, 3)),
])  # fmt: skip
def test_a_transcript_tells_seconds_or_tokens(told: dict[str, Any], usage: Usage) -> None:
    reader = TranscriptReader(seconds=3)
    reader.whole(body(**told))
    assert reader.usage(question_bytes=10**6) == usage


@pytest.mark.parametrize(("text", "seconds"), [
    (b"1\n00:00:00,000 --> 01:02:03,500\nx\n", 3723.5),
    (b"WEBVTT\n\n00:00.000 --> 00:04.250\nx\n", 4.25), (b"hello", 3),
])  # fmt: skip
def test_subtitles_tell_how_long_the_sound_is(text: bytes, seconds: float) -> None:
    reader = PlainTranscriptReader(seconds=3)
    reader.whole(text)
    assert reader.usage(question_bytes=0).audio_seconds == seconds
    assert reader.estimated is (text == b"hello")


def test_speech_is_priced_by_characters_and_by_tokens_that_are_told() -> None:
    reader = SpeechReader(characters=30, events=False)
    assert reader.event(Event(raw=b"\xff", data=b"\xff")) is Sign.PASS
    assert reader.ends_well()
    assert reader.usage(question_bytes=0).characters == 30
    events = SpeechReader(characters=30, events=True)
    assert events.event(event(type="speech.audio.delta", audio="x")) is Sign.PASS
    assert not events.ends_well()
    assert events.event(event(type="speech.audio.done", usage=TOKENS)) is Sign.LAST
    assert events.usage(question_bytes=0) == Usage(5, 3, characters=30, audio_output_tokens=3)


@pytest.mark.parametrize(("told", "usage"), [
    ({"meta": {"billed_units": {"search_units": 4}}}, Usage(queries=4)), ({"results": []}, Usage(queries=3)),
    ({"usage": {"total_tokens": 50}}, Usage(50, queries=3)),
])  # fmt: skip
def test_a_ranking_tells_its_searches_or_tokens(told: dict[str, Any], usage: Usage) -> None:
    reader = RankingReader(documents=250)
    reader.whole(body(**told))
    assert reader.usage(question_bytes=0) == usage


def test_what_is_free_stays_free() -> None:
    reader = FreeReader()
    reader.whole(b"anything")
    reader.event(parse(b"data: x\n\n"))
    reader.left()
    assert not reader.produced


def test_a_wave_file_tells_how_long_it_is() -> None:
    head = b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + (8000).to_bytes(4, "little")
    head += (16000).to_bytes(4, "little") + b"\x02\x00\x10\x00data"
    assert seconds_of(head, 32000) == 2
    assert seconds_of(b"ID3", 16000) == 1
