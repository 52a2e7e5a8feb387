"""`[reports]`: what use cases were promised, so that reports can tell whether they got it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workbench.settings.table import Table

Milliseconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ServiceLevelSettings(Table):
    """What an online use case is promised."""

    latency_ms: Milliseconds = Field(10_000, description="a plain answer is there within, in milliseconds")
    first_token_ms: Milliseconds = Field(2_000, description="a stream begins within, in milliseconds")
    success: Share = Field(0.99, description="least share of calls that are answered")
    attainment: Share = Field(0.95, description="least share of calls that are answered in time")


class ReportSettings(Table):
    """Reports on usage and cost."""

    service_level: ServiceLevelSettings = Field(
        ServiceLevelSettings(), description="what use cases without a level of their own are promised"
    )
    use_cases: dict[str, ServiceLevelSettings] = Field({}, description="what a use case is promised, by its name")
