"""Reads the usage of a native answer, in the way of its path's protocol, whatever shape the answer has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.gateway.dialects.anthropic import MessagesReader
from workbench.gateway.dialects.bedrock import ConverseReader, InvokeReader
from workbench.gateway.dialects.gemini import GenerateReader, PredictReader
from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.gateway.native.rule import Reads
from workbench.wire.sse import Event
from workbench.wire.usage import Usage

READERS: dict[Reads, Callable[[str], Reader]] = {
    "chat": lambda _model: UsageReader(),
    "usage": lambda _model: UsageReader(),
    "messages": lambda _model: MessagesReader(),
    "generate": lambda _model: GenerateReader(),
    "predict": lambda _model: PredictReader(),
    "converse": lambda _model: ConverseReader(),
    "invoke": lambda _model: InvokeReader(),
}
"""How each kind of path is read, by the model that was asked."""


class NativeReader(Reader):
    """Stands before the reader of a protocol, and lets pass what that does not read: errors, files, other paths.

    Nothing is held back: there is no other deployment that could take the call.
    """

    __slots__ = ("_framed", "_headers", "_inner", "_json")

    def __init__(self, reads: Reads, model: str) -> None:
        super().__init__()
        make = READERS.get(reads)
        self._inner = make(model) if make is not None else None
        self._framed = False
        self._json = False
        self._headers: Mapping[str, str] = {}

    def expect(self, *, framed: bool, is_json: bool, headers: Mapping[str, str]) -> None:
        """Say what the answer turned out to be."""
        self._framed, self._json, self._headers = framed, is_json, headers

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told."""
        return self._inner is None or self._inner.estimated

    def whole(self, body: bytes) -> None:
        """Read a plain answer; raises msgspec.DecodeError where JSON is promised and does not come."""
        self.started = True
        if self._inner is not None and self._json:
            self._inner.whole(body)
            self.produced = self._inner.produced
        elif self._inner is not None:
            self.produced = True

    def event(self, event: Event) -> Sign:
        """Read one event, or one piece where the answer has no events."""
        self.started = True
        if self._inner is None:
            return Sign.PASS
        if not self._framed:
            self.produced = True
            return Sign.PASS
        sign = self._inner.event(event)
        self.produced = self._inner.produced
        return sign

    def ends_well(self) -> bool:
        """Tell whether a stream that ends here is whole."""
        return self._inner is None or not self._framed or self._inner.ends_well()

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated, else the protocol's estimate."""
        if self._inner is None:
            return Usage()
        return self._inner.usage(question_bytes=question_bytes)
