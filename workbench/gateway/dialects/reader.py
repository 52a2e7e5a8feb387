"""Read one answer as it passes: what it used, whether it goes well, where it ends. Each protocol has its own."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from workbench.wire.sse import Event
from workbench.wire.usage import Usage

BYTES_PER_TOKEN = 4
"""A rule of thumb for English text; only estimates rest on it."""
TOKENS_PER_SECOND = 50
"""Tokens that a model makes in a second, where it is not told how many it made: estimates rest on it."""
MOST_SEARCHES = 10
"""Searches that a model makes for one answer, at most, where it has the tool for it: holds rest on it."""
MOST_COUNTED = 2**53
_MOST_USD = 1e6
_COST_HEADERS = ("x-litellm-response-cost", "x-workbench-cost-usd")
"""Headers in which servers that stand before others tell what an answer cost, in US dollars."""
MOST_SECONDS = 366 * 86400.0


class Sign(Enum):
    """What one event of a stream says to the gateway."""

    PASS = auto()
    """Nothing but what the caller is to get."""
    USAGE_ONLY = auto()
    """What was used, and nothing else: for callers who asked for it."""
    LAST = auto()
    """The answer is whole."""
    FAILED = auto()
    """The provider failed; the event tells how."""


class Reader:
    """What one answer used so far. The base knows nothing of it: bytes that pass, and end where they end."""

    __slots__ = ("_lost", "cost", "frames", "grade", "look", "produced", "started", "stated")

    def __init__(self) -> None:
        self.stated: Usage | None = None
        """What the provider told."""
        self.frames = 0
        """Events with content so far."""
        self.produced = False
        """Whether the provider has begun to answer, and so to charge."""
        self.started = False
        """Whether the caller has, or could have, seen a first token: from here on there is no other attempt."""
        self.cost: float | None = None
        """What the provider says that the answer costs, in US dollars."""
        self.grade = ""
        """The service tier that the provider answered in, where it tells."""
        self.look = ""
        """Quality and size of the pictures that were asked for, as in `hd/1024x1792`."""
        self._lost = 0

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told."""
        return self.stated is None

    def whole(self, body: bytes) -> None:
        """Read a plain answer; raises msgspec.DecodeError if it is not what the protocol promises."""
        self.produced = self.started = True

    def event(self, event: Event) -> Sign:
        """Read one event of a stream."""
        self.produced = self.started = True
        self.frames += 1
        return Sign.PASS

    @property
    def told(self) -> Reader:
        """The reader that reads the protocol: this one, unless it stands before another."""
        return self

    def left(self, tokens: int = 0) -> None:
        """Note that the answer was given up while the provider was at work: what was asked for is charged.

        `tokens` are those that it may have made until then, where none of them came.
        """
        self.produced = True
        self._lost = tokens

    def ends_well(self) -> bool:
        """Tell whether a stream that ends here, without any event that says so, is whole."""
        return True

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated, else an estimate: bytes of the question, and a token for each frame."""
        if self.stated is not None:
            return self.stated
        output = max(self.frames, self._lost)
        return Usage(input_tokens=max(1, question_bytes // BYTES_PER_TOKEN), output_tokens=output)

    def take(self, usage: Usage | None) -> None:
        """Keep what a provider stated, unless it can't be."""
        if usage is not None and can_be(usage):
            self.stated = usage

    def take_openai(self, usage: dict[str, Any] | None) -> None:
        """Keep a `usage` object in OpenAI's shape; one in no known shape is not known, and is estimated."""
        if usage is None:
            return
        if "cost" in usage:
            self._take_cost(usage["cost"])
        try:
            self.take(Usage.from_openai(usage))
        except (TypeError, ValueError, AttributeError, OverflowError):
            return

    def take_headers(self, headers: Mapping[str, str]) -> None:
        """Keep the cost that a provider states in a header, unless it can't be."""
        for name in _COST_HEADERS:
            if (told := headers.get(name)) is not None:
                self._take_cost(told)

    def _take_cost(self, told: object) -> None:
        if isinstance(told, dict):  # Perplexity tells its parts, too
            told = told.get("total_cost")
        try:
            cost = float(told)  # type: ignore[arg-type]  # anything may come
        except (TypeError, ValueError, OverflowError):
            return
        if 0.0 <= cost <= _MOST_USD:
            self.cost = cost


def can_be(usage: Usage) -> bool:
    """Tell whether a call can have used that: what is negative or beyond all bounds would spoil what is counted."""
    counts = (
        usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.cache_write_tokens,
        usage.reasoning_tokens, usage.images, usage.queries, usage.audio_input_tokens, usage.audio_output_tokens,
        usage.image_input_tokens, usage.image_output_tokens, usage.cache_write_1h_tokens, usage.cached_audio_tokens,
    )  # fmt: skip
    return min(counts) >= 0 and max(counts) <= MOST_COUNTED and 0.0 <= usage.audio_seconds <= MOST_SECONDS
