"""`[admission]`: what users, models, providers, use cases and keys are held to, beside what keys say themselves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.settings.table import Table

_MOST = 1_000_000_000
_MOST_USD = 1_000_000.0
_HELD = (
    "requests_per_second", "requests_per_minute", "requests_per_day", "tokens_per_minute", "tokens_per_day",
    "concurrent", "usd_per_day", "usd_per_month", "usd_total",
)  # fmt: skip


class LimitSettings(Table):
    """What each subject whose name fits is held to; each has counters of its own."""

    subject: Literal["key", "use_case", "user", "model", "provider"] = Field(
        description="what is limited; a user is the owner of keys, a key is named by its id", examples=["user"]
    )
    match: str = Field("*", min_length=1, description="names that it is for: a shell pattern, in which '*' crosses '/'")
    shadow: bool = Field(False, description="whether it refuses nothing, and only counts what it would refuse")
    requests_per_second: float | None = Field(
        None, ge=0.001, le=1_000_000, description="calls that may begin in a second, on the average", examples=[10]
    )
    burst: int | None = Field(
        None, ge=1, le=_MOST, description="calls that may begin at once; default: as many as in a second", examples=[20]
    )
    requests_per_minute: int | None = Field(
        None, ge=1, le=_MOST, description="calls that may begin in any 60 seconds", examples=[300]
    )
    requests_per_day: int | None = Field(
        None, ge=1, le=_MOST, description="calls that may begin in a day, UTC", examples=[10000]
    )
    tokens_per_minute: int | None = Field(
        None, ge=1, le=_MOST, description="input and output tokens in any 60 seconds", examples=[100000]
    )
    tokens_per_day: int | None = Field(
        None, ge=1, le=_MOST, description="input and output tokens in a day, UTC", examples=[5000000]
    )
    concurrent: int | None = Field(None, ge=1, le=_MOST, description="calls on their way at once", examples=[50])
    usd_per_day: float | None = Field(None, ge=0, le=_MOST_USD, description="US dollars in a day, UTC", examples=[20])
    usd_per_month: float | None = Field(
        None, ge=0, le=_MOST_USD, description="US dollars in a month, UTC", examples=[300]
    )
    usd_total: float | None = Field(None, ge=0, le=_MOST_USD, description="US dollars in all", examples=[1000])
    when_exhausted: str | None = Field(
        None, min_length=1, description="a model that takes the calls which the money does not reach for; default: "
        "they are refused", examples=["small"],
    )  # fmt: skip

    @model_validator(mode="after")
    def _holds_to_something(self) -> LimitSettings:
        if all(getattr(self, name) is None for name in _HELD):
            raise ValueError(f"holds to nothing; expected one of {', '.join(_HELD)}")
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst without requests_per_second; expected both")
        if self.when_exhausted is not None and self.usd_per_day is self.usd_per_month is self.usd_total is None:
            raise ValueError("when_exhausted without a budget; expected usd_per_day, usd_per_month or usd_total too")
        return self


class AdmissionSettings(Table):
    """Limits and budgets."""

    limits: list[LimitSettings] = Field([], description="what subjects are held to")

    @model_validator(mode="after")
    def _each_once(self) -> AdmissionSettings:
        seen = set()
        for limit in self.limits:
            place = (limit.subject, limit.match, limit.shadow)
            if place in seen:
                raise ValueError(f"{limit.subject} {limit.match!r} stands twice in limits; expected each once")
            seen.add(place)
        return self
