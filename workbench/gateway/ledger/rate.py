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
    cache_write_1h: float | None = None
    """Written to a cache for an hour; None: as for minutes."""

    def cost(self, usage: Usage) -> float:
        """Return what the tokens of a call cost, all of one kind."""
        plain = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
        cost = (
            plain * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * self.output
        )
        if usage.cache_write_1h_tokens and self.cache_write_1h is not None:
            cost += usage.cache_write_1h_tokens * (self.cache_write_1h - self.cache_write)
        return cost

    def times(self, share: float) -> TokenPrices:
        """Return a share of all prices."""
        hour = None if self.cache_write_1h is None else self.cache_write_1h * share
        return TokenPrices(
            self.input * share, self.output * share, self.cached_input * share, self.cache_write * share, hour
        )

    @property
    def dearest(self) -> float:
        """Return the most that a token can cost."""
        return max(self.dearest_input, self.output)

    @property
    def dearest_input(self) -> float:
        """Return the most that an input token can cost."""
        return max(self.input, self.cached_input, self.cache_write, self.cache_write_1h or 0.0)


@dataclass(frozen=True, slots=True)
class Extras:
    """US dollars for what is not a plain token; None where such tokens cost what plain ones do."""

    reasoning_token: float | None = None
    audio_input_token: float | None = None
    audio_output_token: float | None = None
    cached_audio_token: float | None = None
    """A cached input token of sound; None: as a cached one of text."""
    image_input_token: float | None = None
    image_output_token: float | None = None
    training_token: float | None = None
    """A token that a model is tuned on; None: not known."""
    image: float = 0.0
    """A picture, where its tokens are not told: the dearest, where that goes by its look."""
    looks: Mapping[str, float] = field(default_factory=dict)
    """A picture by its quality and size, as in `hd/1024x1792`."""
    second: float = 0.0
    """A second of sound, where its tokens are not told."""
    character: float = 0.0
    """A character that is spoken."""
    query: float = 0.0
    """A search or a ranking."""
    call: float = 0.0
    """A call, beside what it uses."""


NO_EXTRAS = Extras()
"""Nothing but tokens."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a deployment, and where it stands."""

    tokens: TokenPrices
    """Tokens."""
    source: str
    """`settings`, `price_book`, `local` or `reserved`."""
    version: str | None = None
    """Which edition of the source."""
    extras: Extras = NO_EXTRAS
    """Everything else."""
    tiers: Mapping[int, TokenPrices] = field(default_factory=dict)
    """By number of input tokens: above it, all tokens of a call have these prices."""
    grades: Mapping[str, Rate] = field(default_factory=dict)
    """The price in a batch, and in service tiers such as `flex` and `priority`."""
    usd_per_hour: float | None = None
    """What reserved capacity costs, used or not."""

    def graded(self, grade: str) -> Rate:
        """Return the price in a batch or a service tier; this one where that has none of its own."""
        return self.grades.get(grade, self)

    def cost(self, usage: Usage, *, look: str = "") -> float:
        """Return the cost of a call, in US dollars; `look` is the quality and size of its pictures."""
        tokens = self.tokens
        for above, dearer in self.tiers.items():
            if usage.input_tokens > above:
                tokens = dearer
        cost = tokens.cost(usage)
        if self.extras is not NO_EXTRAS:
            cost += self._beside(usage, tokens, look)
        return round(cost, 12)

    def _beside(self, usage: Usage, tokens: TokenPrices, look: str) -> float:
        extras = self.extras
        more = usage.characters * extras.character + usage.queries * extras.query + extras.call
        if not usage.output_tokens:
            more += usage.images * (extras.looks.get(look, extras.image) if look else extras.image)
        if not usage.total_tokens:
            more += usage.audio_seconds * extras.second
        cached_audio = usage.cached_audio_tokens
        for count, price, plain in (
            (usage.reasoning_tokens, extras.reasoning_token, tokens.output),
            (usage.audio_input_tokens - cached_audio, extras.audio_input_token, tokens.input),
            (cached_audio, extras.cached_audio_token, tokens.cached_input),
            (usage.audio_output_tokens, extras.audio_output_token, tokens.output),
            (usage.image_input_tokens, extras.image_input_token, tokens.input),
            (usage.image_output_tokens, extras.image_output_token, tokens.output),
        ):
            if count and price is not None:
                more += count * (price - plain)
        return more

    def training(self, tokens: int) -> float | None:
        """Return what it costs to tune a model on so many tokens; None where nobody knows."""
        price = self.extras.training_token
        return None if price is None else round(tokens * price, 12)

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
            + extras.call
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
        kinds = {
            "cache_write_1h": tokens.cache_write_1h,
            "reasoning": extras.reasoning_token,
            "audio_input": extras.audio_input_token,
            "audio_output": extras.audio_output_token,
            "image_input": extras.image_input_token,
            "image_output": extras.image_output_token,
            "training": extras.training_token,
            "cache_write": None if tokens.cache_write == tokens.input else tokens.cache_write,
        }
        pieces = {
            "image": extras.image,
            "second": extras.second,
            "character": extras.character,
            "query": extras.query,
            "call": extras.call,
            "usd_per_hour": self.usd_per_hour,
        }
        return {
            "input": round(tokens.input * MILLION, 6),
            "output": round(tokens.output * MILLION, 6),
            "cached_input": round(tokens.cached_input * MILLION, 6),
            **{name: round(price * MILLION, 6) for name, price in kinds.items() if price is not None},
            **{name: price for name, price in pieces.items() if price},
            "source": self.source,
            "version": self.version,
        }
