"""What models cost: a price of a model or deployment, and prices by name that hold from a day on."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from workbench.settings.table import Table


class Price(Table):
    """US dollars: per million tokens or characters, per piece of all else."""

    input: float = Field(ge=0, description="input tokens", examples=[0.15])
    output: float = Field(ge=0, description="output tokens", examples=[0.60])
    cached_input: float | None = Field(
        None, ge=0, description="cached input tokens; default: as input", examples=[0.075]
    )
    cache_write: float | None = Field(
        None, ge=0, description="input tokens that are written to a cache; default: as input"
    )
    cache_write_1h: float | None = Field(None, ge=0, description="the same for an hour; default: as cache_write")
    reasoning: float | None = Field(None, ge=0, description="output tokens of thinking; default: as output")
    audio_input: float | None = Field(None, ge=0, description="input tokens of sound; default: as input")
    audio_output: float | None = Field(None, ge=0, description="output tokens of sound; default: as output")
    image_input: float | None = Field(None, ge=0, description="input tokens of pictures; default: as input")
    image_output: float | None = Field(None, ge=0, description="output tokens of pictures; default: as output")
    training: float | None = Field(None, ge=0, description="tokens that a model is tuned on")
    characters: float = Field(0, ge=0, description="characters that are spoken")
    image: float = Field(0, ge=0, description="a picture, where its tokens are not told")
    second: float = Field(0, ge=0, description="a second of sound, where its tokens are not told")
    query: float = Field(0, ge=0, description="a search or a ranking")
    call: float = Field(0, ge=0, description="a call, beside what it uses")
    batch: float = Field(0.5, ge=0, description="what tokens cost in a batch, as a share of their price")


class DatedPrice(Price):
    """The price of what a provider calls by a name, from a day on."""

    provider: str = Field("*", description="the provider's name, or a pattern", examples=["openai"])
    model: str = Field(
        min_length=1,
        description="the provider's own name of the model, or a pattern; a name beats `[models.price]`, a pattern "
        "only the price book",
        examples=["gpt-4o-mini"],
    )  # fmt: skip
    since: date = Field(alias="from", description="the first day that it holds, UTC", examples=[date(2026, 1, 1)])
