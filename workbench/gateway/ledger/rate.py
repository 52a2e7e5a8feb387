"""A price: what a call costs by what it used, and the most that it can cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.wire.usage import Usage

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """US dollars per token."""

    input: float
    output: float
    cached_input: float
    cache_write: float

    def cost(self, usage: Usage) -> float:
        """Return what the tokens of a call cost, all of one kind."""
        plain = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
        return (
            plain * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * self.output
        )

    @property
    def dearest_input(self) -> float:
        """Return the most that an input token can cost."""
        return max(self.input, self.cached_input, self.cache_write)


@dataclass(frozen=True, slots=True)
class Extras:
    """US dollars for what is not a plain token; None where such tokens cost what plain ones do."""

    reasoning_token: float | None = None
    audio_input_token: float | None = None
    audio_output_token: float | None = None
    image_input_token: float | None = None
    image_output_token: float | None = None
    image: float = 0.0
    """A picture, where its tokens are not told."""
    second: float = 0.0
    """A second of sound, where its tokens are not told."""
    character: float = 0.0
    """A character that is spoken."""
    query: float = 0.0
    """A search or a ranking."""


NO_EXTRAS = Extras()
"""Nothing but tokens."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a deployment, and where it stands."""

    tokens: TokenPrices
    """Tokens."""
    source: str
    """`settings`, `price_book` or `local`."""
    version: str | None = None
    """Which edition of the source."""
    extras: Extras = NO_EXTRAS
    """Everything else."""
    tiers: Mapping[int, TokenPrices] = field(default_factory=dict)
    """By number of input tokens: above it, all tokens of a call have these prices."""

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call, in US dollars."""
        tokens = self.tokens
        for above, dearer in self.tiers.items():
            if usage.input_tokens > above:
                tokens = dearer
        cost = tokens.cost(usage)
        if self.extras is not NO_EXTRAS:
            cost += self._beside(usage, tokens)
        return round(cost, 12)

    def _beside(self, usage: Usage, tokens: TokenPrices) -> float:
        extras = self.extras
        more = usage.characters * extras.character + usage.queries * extras.query
        if not usage.output_tokens:
            more += usage.images * extras.image
        if not usage.total_tokens:
            more += usage.audio_seconds * extras.second
        for count, price, plain in (
            (usage.reasoning_tokens, extras.reasoning_token, tokens.output),
            (usage.audio_input_tokens, extras.audio_input_token, tokens.input),
            (usage.audio_output_tokens, extras.audio_output_token, tokens.output),
            (usage.image_input_tokens, extras.image_input_token, tokens.input),
            (usage.image_output_tokens, extras.image_output_token, tokens.output),
        ):
            if count and price is not None:
                more += count * (price - plain)
        return more

    def most(self, usage: Usage) -> float:
        """Return the most that a call can cost which uses no more than `usage`, whatever kind its tokens are."""
        extras = self.extras
        most = usage.input_tokens * self.dearest_input(usage.input_tokens)
        if usage.output_tokens:
            most += usage.output_tokens * self.dearest_output(usage.input_tokens)
        if extras is NO_EXTRAS:
            return most
        return (
            most
            + usage.images * extras.image
            + usage.audio_seconds * extras.second
            + usage.characters * extras.character
            + usage.queries * extras.query
        )

    def dearest_input(self, input_tokens: int) -> float:
        """Return the most that an input token of a call can cost which has no more than `input_tokens`."""
        extras = self.extras
        if extras is NO_EXTRAS and not self.tiers:
            return self.tokens.dearest_input
        kinds = (extras.audio_input_token or 0.0, extras.image_input_token or 0.0)
        return max(*kinds, *(prices.dearest_input for prices in self._in_reach(input_tokens)))

    def dearest_output(self, input_tokens: int) -> float:
        """Return the most that an output token of such a call can cost."""
        extras = self.extras
        if extras is NO_EXTRAS and not self.tiers:
            return self.tokens.output
        kinds = (extras.reasoning_token or 0.0, extras.audio_output_token or 0.0, extras.image_output_token or 0.0)
        return max(*kinds, *(prices.output for prices in self._in_reach(input_tokens)))

    def _in_reach(self, input_tokens: int) -> list[TokenPrices]:
        return [self.tokens, *(dearer for above, dearer in self.tiers.items() if input_tokens > above)]

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return self.most(Usage(1, 1, images=1, audio_seconds=1.0, characters=1, queries=1)) == 0

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the rate as the catalogue tells it: US dollars per million tokens, and per piece of all else."""
        tokens, extras = self.tokens, self.extras
        pieces = {"image": extras.image, "second": extras.second, "character": extras.character, "query": extras.query}
        return {
            "input": round(tokens.input * MILLION, 6),
            "output": round(tokens.output * MILLION, 6),
            "cached_input": round(tokens.cached_input * MILLION, 6),
            **{name: price for name, price in pieces.items() if price},
            "source": self.source,
            "version": self.version,
        }
