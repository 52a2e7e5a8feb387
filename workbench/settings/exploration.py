"""`[policy.exploration]`: what a key may do that somebody gives to themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workbench.settings.table import Table

_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
_Rate = Annotated[float, Field(ge=0.001, le=1_000_000)]
_Usd = Annotated[float, Field(ge=0, le=1_000_000)]
_Patterns = Annotated[list[str], Field(max_length=1000)]


class ExplorationLimits(Table):
    """How often and how much at once; what is left out is no limit."""

    requests_per_minute: _Count | None = Field(None, description="calls in any 60 seconds")
    tokens_per_minute: _Count | None = Field(None, description="input and output tokens in any 60 seconds")
    concurrent: _Count | None = Field(None, description="calls on their way at once")
    requests_per_second: _Rate | None = Field(None, description="calls that may begin in a second, on the average")
    burst: _Count | None = Field(None, description="calls that may begin at once after a pause")
    requests_per_day: _Count | None = Field(None, description="calls in a day of the UTC calendar")
    tokens_per_day: _Count | None = Field(None, description="tokens in a day of the UTC calendar")


class ExplorationBudget(Table):
    """For how much money, in US dollars; what is left out is no bound."""

    usd_per_day: _Usd | None = Field(None, description="in a day of the UTC calendar")
    usd_per_month: _Usd | None = Field(None, description="in a month of the UTC calendar")
    usd_total: _Usd | None = Field(None, description="in a key's whole life")


class ExplorationScopes(Table):
    """What may be used, as shell patterns in which `*` crosses `/`."""

    models: _Patterns = Field(["*"], description="names of models")
    providers: _Patterns = Field(["*"], description="names of providers")
    paths: _Patterns = Field(["*"], description="paths of the gateway")
    features: _Patterns = Field(["*"], description="features, as tools, images or batches")


STRICT_LIMITS = ExplorationLimits(requests_per_minute=60, tokens_per_minute=200_000, concurrent=8)
STRICT_BUDGET = ExplorationBudget(usd_per_day=5)


class ExplorationPolicy(Table):
    """What a key of `POST /keys/exploration` may be."""

    expires_in: int = Field(7 * 86400, ge=60, description="longest life, in seconds")
    most_live: int = Field(100, ge=1, le=100_000, description="live keys that one person may have")
    limits: ExplorationLimits | None = Field(
        None, description="limits of each key; default: none for the local owner alone, where [identity] lets others "
        "in 60 requests and 200,000 tokens a minute, 8 at once",
    )  # fmt: skip
    budget: ExplorationBudget | None = Field(
        None,
        description="money of each key; default: no bound for the local owner alone, else 5 dollars a day",
    )
    scopes: ExplorationScopes = Field(ExplorationScopes(), description="what each key may use")
