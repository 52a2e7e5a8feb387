"""`/v1/audio/...`: sound to text in JSON, plain text, SubRip or WebVTT, and text to sound in bytes or events."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai_events import PlainTranscriptReader, SpeechReader, TranscriptReader, seconds_of
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.form import Form
from workbench.gateway.unified.operation import FormOperation, Operation
from workbench.gateway.unified.operations.form_fields import boolean, form_question, number_of, some_file
from workbench.gateway.unified.question import Question, raw_fields
from workbench.wire.usage import Usage

_PLAIN = frozenset({"text", "srt", "vtt"})
_LEAST_BYTES_PER_SECOND = 1000
"""Of sound that is packed as tightly as it may come."""
_TOKENS_HEARD_A_SECOND = 10
_MOST_TOKENS_A_CHARACTER = 8
"""Sound tokens that a character of a text may take, spoken at the slowest speed."""


class _Speech(msgspec.Struct):
    model: str
    input: str
    voice: str | dict[str, Any]
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: str | None = None


_speech = msgspec.json.Decoder(_Speech)


def read_speech(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of audio/speech; raises InvalidInput."""
    wish = decode(body, _speech)
    if not wish.input:
        raise InvalidInput("input is empty.", hint="Send the text that is to be spoken.", param="input")
    if not wish.voice:
        raise InvalidInput("voice is empty.", hint="Name a voice.", param="voice")
    events = wish.stream_format == "sse"
    characters = len(wish.input)
    return Question(
        operation="audio/speech",
        model=wish.model,
        size=len(body),
        fields=raw_fields(body),
        forwarded=forwarded,
        stream=events,
        binary=not events,
        reader=partial(SpeechReader, characters=characters, events=events),
        pieces=Usage(characters=characters),
        output_limit=_MOST_TOKENS_A_CHARACTER * (characters + 1),
    )


def _read_sound(form: Form, forwarded: Mapping[str, str], *, operation: str, streams: bool) -> Question:
    sound = some_file(form, "file")
    number_of(form, "temperature")
    seconds = seconds_of(form.read(sound, 44), sound.size)
    longest = sound.size / _LEAST_BYTES_PER_SECOND
    plain = form.text("response_format") in _PLAIN
    stream = streams and boolean(form, "stream")
    return form_question(
        form,
        operation,
        forwarded,
        stream=stream,
        reader=partial(PlainTranscriptReader if plain and not stream else TranscriptReader, seconds=seconds),
        pieces=Usage(audio_seconds=longest, input_tokens=round(longest * _TOKENS_HEARD_A_SECOND)),
        output_limit=None,
    )


SPEECH = Operation("/v1/audio/speech", "speech", read_speech)
TRANSCRIPTIONS = FormOperation(
    "/v1/audio/transcriptions", "transcription", partial(_read_sound, operation="audio/transcriptions", streams=True)
)
TRANSLATIONS = FormOperation(
    "/v1/audio/translations", "transcription", partial(_read_sound, operation="audio/translations", streams=False)
)
