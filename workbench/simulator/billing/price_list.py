"""The price list of simulated providers, in US dollars: for models that exist, what their providers publish.

Source: the price pages of OpenAI, Anthropic, Google and AWS. A model that is not listed costs 1 and 2 a million tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.simulator.billing.used import Used

_MILLION = 1_000_000
_EDITION = re.compile(r"-(20\d\d-?\d\d-?\d\d|latest)(-v\d:\d)?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Of one model; of tokens and characters a million."""

    input: float = 0.0
    cached: float | None = None
    """Default: as input."""
    cache_write: float | None = None
    cache_write_1h: float | None = None
    output: float = 0.0
    audio_input: float | None = None
    audio_output: float | None = None
    """Default: as output."""
    image_input: float | None = None
    image_output: float | None = None
    image: float = 0.0
    second: float = 0.0
    characters: float = 0.0
    search: float = 0.0
    training: float = 0.0
    priority: float = 1.0
    """What the priority tier costs, as a multiple of the standard one."""

    def charge(self, used: Used) -> float:
        """Return what a use costs; batches and the flex tier have half the price."""
        of_input = (
            used.input * self.input
            + used.cached * _or(self.cached, self.input)
            + used.cache_write * _or(self.cache_write, self.input)
            + used.cache_write_1h * _or(self.cache_write_1h, self.input)
            + used.audio_input * _or(self.audio_input, self.input)
            + used.image_input * _or(self.image_input, self.input)
        )
        of_output = (
            used.output * self.output
            + used.audio_output * _or(self.audio_output, self.output)
            + used.image_output * _or(self.image_output, self.output)
        )
        tokens = (of_input + of_output) / _MILLION
        share = {"batch": 0.5, "flex": 0.5, "priority": self.priority}.get(used.tier, 1.0)
        pieces = used.images * self.image + used.seconds * self.second + used.searches * self.search
        more = (used.characters * self.characters + used.trained * self.training) / _MILLION
        return tokens * share + pieces + more


def _or(price: float | None, default: float) -> float:
    return default if price is None else price


_CLAUDE = Prices(input=3.0, cached=0.30, cache_write=3.75, cache_write_1h=6.0, output=15.0)
_PRICES = {
    "gpt-4o-mini": Prices(input=0.15, cached=0.075, output=0.60, training=3.0, priority=5 / 3),
    "gpt-4o": Prices(input=2.50, cached=1.25, output=10.0, training=25.0, priority=1.7),
    "gpt-audio": Prices(input=2.50, output=10.0, audio_input=32.0, audio_output=64.0),
    "o3": Prices(input=2.0, cached=0.50, output=8.0),
    "text-embedding-3-small": Prices(input=0.02),
    "omni-moderation": Prices(),
    "whisper-1": Prices(second=0.006 / 60),
    "gpt-4o-mini-transcribe": Prices(input=1.25, output=5.0),
    "tts-1": Prices(characters=15.0),
    "gpt-4o-mini-tts": Prices(input=0.60, audio_output=12.0),
    "gpt-image-1": Prices(input=5.0, image_input=10.0, image_output=40.0),
    "gpt-realtime": Prices(input=4.0, cached=0.40, output=16.0, audio_input=32.0, audio_output=64.0),
    "rerank-v3.5": Prices(search=0.002),
    "claude-sonnet-4-5": _CLAUDE,
    "anthropic.claude-sonnet-4-5": _CLAUDE,
    "gemini-2.5-flash": Prices(input=0.30, cached=0.03, output=2.50, audio_input=1.0),
    "imagen-4.0-generate-001": Prices(image=0.04),
    "amazon.titan-embed-text-v2:0": Prices(input=0.02),
    "amazon.titan-image-generator-v2:0": Prices(image=0.008),
}
_TUNED = {"gpt-4o-mini": Prices(input=0.30, cached=0.15, output=1.20), "gpt-4o": Prices(input=3.75, output=15.0)}
_OTHERS = Prices(input=1.0, output=2.0, image=0.04, training=3.0)


def prices_of(model: str) -> Prices:
    """Return the prices of a model, whatever its edition; a tuned one has those of its base's tuned models."""
    if model.startswith("ft:"):
        return _TUNED.get(_EDITION.sub("", model.split(":")[1]), _OTHERS)
    return _PRICES.get(model) or _PRICES.get(_EDITION.sub("", model)) or _OTHERS
