"""Read from an answer, as it passes, what the call used; estimate where the provider does not tell."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.wire.sse import Event
from workbench.wire.usage import Usage

_BYTES_PER_TOKEN = 4
"""A rule of thumb for English text; only estimates rest on it."""
_MOST_TOKENS = 2**53


class _Whole(msgspec.Struct):
    usage: dict[str, Any] | None = None


class _Frame(msgspec.Struct):
    usage: dict[str, Any] | None = None
    choices: list[msgspec.Raw] | None = None


_whole = msgspec.json.Decoder(_Whole)
_frame = msgspec.json.Decoder(_Frame)


class Meter:
    """What one call used so far."""

    __slots__ = ("_frames", "_stated", "produced")

    def __init__(self) -> None:
        self._stated: Usage | None = None
        self._frames = 0
        self.produced = False

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told."""
        return self._stated is None

    def read_whole(self, body: bytes) -> None:
        """Read a plain answer; raises msgspec.DecodeError if it is no JSON object."""
        self.produced = True
        self._take(_whole.decode(body).usage)

    def read_frame(self, event: Event) -> bool:
        """Read a frame of a stream; return whether it tells the usage and nothing else."""
        if not event.data:
            return False  # a comment, such as a heartbeat: nothing was produced
        self.produced = True
        self._frames += 1
        if b'"usage"' not in event.data:
            return False
        try:
            frame = _frame.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        if frame.usage is None:
            return False
        self._take(frame.usage)
        return not frame.choices

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated, else an estimate: bytes of the question, and a token for each frame."""
        if self._stated is not None:
            return self._stated
        return Usage(input_tokens=max(1, question_bytes // _BYTES_PER_TOKEN), output_tokens=self._frames)

    def _take(self, usage: dict[str, Any] | None) -> None:
        if usage is None:
            return
        try:
            stated = Usage.from_openai(usage)
        except (TypeError, ValueError, AttributeError, OverflowError):
            return  # what a provider states in another shape is not known, and is estimated
        counts = (stated.input_tokens, stated.output_tokens, stated.cached_input_tokens, stated.cache_write_tokens)
        if min(counts) >= 0 and max(*counts, stated.reasoning_tokens) <= _MOST_TOKENS:
            self._stated = stated
