"""OpenAI's answers beside chat: streams of typed events, one of them the last; pictures, sound, rankings."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import msgspec
from msgspec.structs import replace

from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.reader import MOST_COUNTED, MOST_SECONDS, Reader, Sign
from workbench.wire.sse import Event
from workbench.wire.usage import Usage

_BYTES_PER_SECOND = 16_000
"""Sound of 128 kbit/s: a rule of thumb for what tells nothing of its length."""
_DOCUMENTS_PER_SEARCH = 100
"""Documents of one search unit, as Cohere bills rankings."""
_CHARACTERS_PER_SECOND = 15
"""How fast speech is."""
_TOKENS_PER_SECOND = 21
"""Sound tokens of a second of speech."""
_SEARCH = re.compile(rb'"type": ?"web_search_call"')
_CLOCK = re.compile(rb"--> *(?:(\d{2,4}):)?(\d\d):(\d\d[.,]\d{3})")
"""The end of a subtitle, in SubRip or WebVTT."""


class _Response(msgspec.Struct):
    usage: dict[str, Any] | None = None
    status: str | None = None
    service_tier: Any = None
    output: msgspec.Raw = msgspec.Raw()


class _Typed(msgspec.Struct):
    type: str = ""
    usage: dict[str, Any] | None = None
    response: _Response | None = None


class _Picture(msgspec.Struct):
    pass


class _Pictures(msgspec.Struct):
    data: list[_Picture] | None = None
    usage: dict[str, Any] | None = None


class _Transcript(msgspec.Struct):
    usage: dict[str, Any] | None = None
    duration: float | str | None = None


class _Units(msgspec.Struct):
    search_units: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Units | None = None


class _Ranking(msgspec.Struct):
    meta: _Meta | None = None
    usage: dict[str, Any] | None = None


_typed = msgspec.json.Decoder(_Typed)
_response = msgspec.json.Decoder(_Response)
_pictures = msgspec.json.Decoder(_Pictures)
_transcript = msgspec.json.Decoder(_Transcript)
_ranking = msgspec.json.Decoder(_Ranking)


class EventsReader(UsageReader):
    """Reads streams whose events have a type; subclasses tell which are the last, and which say nothing yet."""

    __slots__ = ()
    last: frozenset[str] = frozenset()
    """Types that end a good stream."""
    failed: frozenset[str] = frozenset({"error"})
    """Types that end a bad one."""
    quiet: frozenset[str] = frozenset()
    """Types before the first token."""

    def event(self, event: Event) -> Sign:
        """Read an event."""
        if not event.data:
            return Sign.PASS
        try:
            typed = _typed.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._foreign(event)
        kind = typed.type or event.name
        if kind in self.failed or (not kind and event.data.startswith(b'{"error"')):
            return Sign.FAILED
        self.produced = True
        if kind in self.quiet:
            return Sign.PASS
        self.started = True
        self.frames += 1
        if kind not in self.last:
            return Sign.PASS
        sign = self.ended(typed.usage or (typed.response.usage if typed.response else None))
        if typed.response is not None:
            self.take_beside(typed.response)
        return sign

    def take_beside(self, response: _Response) -> None:
        """Keep what a response tells beside its usage: the service tier, and searches, which are paid by the piece."""
        self.take_grade(response.service_tier)
        if self.stated is not None and (searches := _SEARCH.findall(response.output)):
            self.stated = replace(self.stated, queries=len(searches))

    def ended(self, usage: dict[str, Any] | None) -> Sign:
        """Read the usage that the last event tells; return whether it was the last."""
        self.take_openai(usage)
        return Sign.LAST

    def _foreign(self, event: Event) -> Sign:
        """Read what is no typed event: `[DONE]` is sent by some behind the last one."""
        self.produced = self.started = True
        return Sign.PASS


class ResponsesReader(EventsReader):
    """Reads `responses`."""

    __slots__ = ()
    last = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
    failed = frozenset({"error", "response.failed"})
    quiet = frozenset({"response.created", "response.in_progress", "response.queued"})

    def whole(self, body: bytes) -> None:
        """Read a plain answer; one that is made in the background has used nothing yet."""
        response = _response.decode(body)
        if response.status in ("queued", "in_progress"):
            self.started = True
            return
        self.produced = self.started = True
        self.take_openai(response.usage)
        self.take_beside(response)


class PicturesReader(EventsReader):
    """Reads pictures; they are counted, and their tokens where they are told."""

    __slots__ = ("_awaited", "_made")
    last = frozenset({"image_generation.completed", "image_edit.completed"})

    def __init__(self, *, count: int, look: str = "") -> None:
        super().__init__()
        self._awaited = count
        self._made = 0
        self.look = look

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        pictures = _pictures.decode(body)
        self.produced = self.started = True
        self._made = len(pictures.data or ())
        self.take_openai(pictures.usage)
        self.stated = replace(_of_pictures(self.stated or Usage()), images=self._made)

    def ended(self, usage: dict[str, Any] | None) -> Sign:
        """Count a finished picture."""
        before = self.stated
        self._made += 1
        self.stated = None
        self.take_openai(usage)
        now = _of_pictures(self.stated or Usage())
        if before is not None:
            now = before + now
        self.stated = replace(now, images=self._made)
        return Sign.LAST if self._made >= self._awaited else Sign.PASS

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was told; what was asked for, where the provider began and told nothing."""
        return self.stated or Usage(images=self._awaited)


class TranscriptReader(EventsReader):
    """Reads transcripts in JSON: their seconds or tokens."""

    __slots__ = ("_seconds",)
    last = frozenset({"transcript.text.done"})

    def __init__(self, *, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        told = _transcript.decode(body)
        self.produced = self.started = True
        self.take_openai(told.usage)
        if self.stated is not None:  # the seconds that are billed are whole ones
            return
        with contextlib.suppress(ValueError):
            seconds = float(-1 if told.duration is None else told.duration)
            if 0 <= seconds < MOST_SECONDS:
                self.stated = Usage(audio_seconds=seconds)

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was told, else the seconds that the sound seems to have."""
        return self.stated or Usage(audio_seconds=self._seconds)


class PlainTranscriptReader(Reader):
    """Reads transcripts in text, which tell nothing of what they used."""

    __slots__ = ("_seconds",)

    def __init__(self, *, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def whole(self, body: bytes) -> None:
        """Read a plain answer: the end of the last subtitle tells how long the sound is."""
        super().whole(body)
        ends = _CLOCK.findall(body)
        if ends:
            hours, minutes, seconds = ends[-1]
            told = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(b",", b"."))
            self.stated = Usage(audio_seconds=told)

    def usage(self, *, question_bytes: int) -> Usage:
        """Return the seconds that were told, else those that the sound seems to have."""
        return self.stated or Usage(audio_seconds=self._seconds)


class SpeechReader(EventsReader):
    """Reads speech: bytes that tell nothing, or events whose last one does."""

    __slots__ = ("_characters", "_events")
    last = frozenset({"speech.audio.done"})

    def __init__(self, *, characters: int, events: bool) -> None:
        super().__init__()
        self._characters = characters
        self._events = events

    def whole(self, body: bytes) -> None:
        """Take a plain answer for what it is: sound."""
        self.produced = self.started = True

    def event(self, event: Event) -> Sign:
        """Read an event, or a piece of sound."""
        if self._events:
            return super().event(event)
        self.produced = self.started = True
        self.frames += 1
        return Sign.PASS

    def ends_well(self) -> bool:
        """Tell whether the end of the body is the end of the answer."""
        return not self._events

    def usage(self, *, question_bytes: int) -> Usage:
        """Return the characters, and the tokens that were told or that such a text has."""
        tokens = self.stated
        if tokens is None:
            spoken = round(self._characters / _CHARACTERS_PER_SECOND * _TOKENS_PER_SECOND)
            tokens = Usage(max(1, self._characters // 4), spoken)
        if not tokens.audio_output_tokens:
            tokens = replace(tokens, audio_output_tokens=tokens.output_tokens)
        return replace(tokens, characters=self._characters)


class RankingReader(UsageReader):
    """Reads rankings in Cohere's or Jina's shape: search units or tokens."""

    __slots__ = ("_documents",)

    def __init__(self, *, documents: int) -> None:
        super().__init__()
        self._documents = documents

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        ranking = _ranking.decode(body)
        self.produced = self.started = True
        units = ranking.meta.billed_units if ranking.meta else None
        if ranking.usage is not None:
            tokens = ranking.usage.get("total_tokens")
            self.take_openai({"prompt_tokens": tokens, **ranking.usage})
        queries = units.search_units if units else None
        if queries is not None and 0 <= queries <= MOST_COUNTED:
            self.stated = replace(self.stated or Usage(), queries=round(queries))
        elif self.stated is not None:
            self.stated = replace(self.stated, queries=self._searches)

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was told, else a search for each hundred documents."""
        return self.stated or Usage(queries=self._searches)

    @property
    def _searches(self) -> int:
        return max(1, -(-self._documents // _DOCUMENTS_PER_SEARCH))


class FreeReader(Reader):
    """Reads answers that cost nothing, whatever they are."""

    __slots__ = ()

    def whole(self, body: bytes) -> None:
        """Take any body."""
        self.started = True

    def event(self, event: Event) -> Sign:
        """Take any piece."""
        self.started = True
        return Sign.PASS

    def left(self, tokens: int = 0) -> None:
        """Charge nothing to a client that left."""


def look_of(quality: object, size: object) -> str:
    """Return the look of a picture, as prices name it; what was not said is what OpenAI takes then."""
    quality = quality if isinstance(quality, str) and quality != "auto" else "standard"
    return f"{quality}/{size if isinstance(size, str) and size != 'auto' else '1024x1024'}"


def _of_pictures(usage: Usage) -> Usage:
    """Return usage whose output tokens are those of pictures, where nothing else is said of them."""
    if usage.image_output_tokens or not usage.output_tokens:
        return usage
    return replace(usage, image_output_tokens=usage.output_tokens)


def seconds_of(head: bytes, size: int) -> float:
    """Return how long sound lasts: what a WAV file's head says, else a guess by its size."""
    rate = int.from_bytes(head[28:32], "little") if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else 0
    return size / (rate or _BYTES_PER_SECOND)
