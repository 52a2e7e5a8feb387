"""Reads the usage of a native answer, in the way of its path's protocol, whatever shape the answer has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from workbench.gateway.dialects.anthropic import MessagesReader
from workbench.gateway.dialects.bedrock import ConverseReader, InvokeReader, of_headers
from workbench.gateway.dialects.gemini import GenerateReader, PredictReader
from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.openai_events import (
    PicturesReader,
    RankingReader,
    ResponsesReader,
    SpeechReader,
    TranscriptReader,
    seconds_of,
)
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.gateway.native.rule import Reads
from workbench.wire.sse import Event
from workbench.wire.usage import Usage


@dataclass(slots=True)
class Measure:
    """What a question tells of the size of its answer."""

    model: str = ""
    """Who is asked."""
    pictures: int = 1
    """How many pictures are asked for."""
    characters: int = 0
    """How many characters are to be spoken."""
    documents: int = 0
    """How many documents are to be ranked."""
    look: str = ""
    """Quality and size of the pictures."""
    size: int = 0
    """Bytes of the body."""


class OllamaReader(Reader):
    """Reads Ollama's own answers: JSON, or a line of it for each piece, the last one `done`."""

    __slots__ = ()

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = True
        self._take_counts(msgspec.json.decode(body, type=dict))

    def event(self, event: Event) -> Sign:
        """Read a line."""
        if not event.data:
            return Sign.PASS
        try:
            told: dict[str, Any] = msgspec.json.decode(event.data, type=dict)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Sign.PASS
        if "error" in told:
            return Sign.FAILED
        self.produced = self.started = True
        self.frames += 1
        if told.get("done") is not True:
            return Sign.PASS
        self._take_counts(told)
        return Sign.LAST

    def ends_well(self) -> bool:
        """Tell that only a line that is `done` ends a stream."""
        return False

    def _take_counts(self, told: dict[str, Any]) -> None:
        counts = told.get("prompt_eval_count", 0), told.get("eval_count", 0)
        if all(isinstance(count, int) for count in counts) and any(counts):
            self.take(Usage(*counts))


def _partner(measure: Measure, _framed: bool) -> Reader:
    return MessagesReader() if "claude" in measure.model else UsageReader()


READERS: dict[Reads, Callable[[Measure, bool], Reader]] = {
    "chat": lambda _measure, _framed: UsageReader(),
    "usage": lambda _measure, _framed: UsageReader(),
    "responses": lambda _measure, _framed: ResponsesReader(),
    "pictures": lambda measure, _framed: PicturesReader(count=measure.pictures, look=measure.look),
    "transcript": lambda measure, _framed: TranscriptReader(seconds=seconds_of(b"", measure.size)),
    "speech": lambda measure, framed: SpeechReader(characters=measure.characters, events=framed),
    "ranking": lambda measure, _framed: RankingReader(documents=measure.documents),
    "messages": lambda _measure, _framed: MessagesReader(),
    "tokens": lambda _measure, _framed: OllamaReader(),
    "generate": lambda _measure, _framed: GenerateReader(),
    "predict": lambda _measure, _framed: PredictReader(),
    "converse": lambda _measure, _framed: ConverseReader(),
    "invoke": lambda _measure, _framed: InvokeReader(),
    "partner": _partner,
}
"""How each kind of path is read: by what was asked, and by whether the answer comes in events."""


class NativeReader(Reader):
    """Stands before the reader of a protocol, and lets pass what that does not read: errors, files, other paths.

    Nothing is held back: there is no other deployment that could take the call.
    """

    __slots__ = ("_framed", "_headers", "_inner", "_json", "_measure", "_reads")

    def __init__(self, reads: Reads, measure: Measure) -> None:
        super().__init__()
        self._reads = reads
        self._measure = measure
        self._inner: Reader | None = None
        self._framed = self._json = False
        self._headers: Mapping[str, str] = {}

    def expect(self, *, framed: bool, is_json: bool, headers: Mapping[str, str]) -> None:
        """Say what the answer turned out to be."""
        self._framed, self._json, self._headers = framed, is_json, headers
        make = READERS.get(self._reads)
        self._inner = make(self._measure, framed) if make is not None else None

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told."""
        return self._inner is None or self._inner.estimated

    @property
    def told(self) -> Reader:
        """The reader of the protocol, once it is known what the answer is."""
        return self._inner or self

    def left(self, tokens: int = 0) -> None:
        """Note that the answer was given up while the provider was at work."""
        if self._inner is None:
            self.expect(framed=False, is_json=True, headers={})
        if self._inner is not None:
            self._inner.left(tokens)
            self.produced = True

    def whole(self, body: bytes) -> None:
        """Read a plain answer; raises msgspec.DecodeError where JSON is promised and does not come."""
        self.started = True
        inner = self._inner
        if inner is None:
            return
        if self._json:
            inner.whole(body)
            self.produced = inner.produced
        else:
            self.produced = True
        if inner.stated is None and self._reads == "invoke":
            read, written = (self._headers.get(f"x-amzn-bedrock-{way}-token-count") for way in ("input", "output"))
            inner.take(of_headers(read, written))

    def event(self, event: Event) -> Sign:
        """Read one event, or one piece where the answer has no events."""
        self.started = True
        inner = self._inner
        if inner is None:
            return Sign.PASS
        if not self._framed:
            self.produced = True
            return Sign.PASS
        sign = inner.event(event)
        self.produced = inner.produced
        return sign

    def ends_well(self) -> bool:
        """Tell whether a stream that ends here is whole."""
        return self._inner is None or not self._framed or self._inner.ends_well()

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated, else the protocol's estimate."""
        return Usage() if self._inner is None else self._inner.usage(question_bytes=question_bytes)
