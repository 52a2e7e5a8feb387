"""`[alerts]`: what somebody should hear of, and where it is sent."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from workbench.settings.credential import Credential
from workbench.settings.table import Table
from workbench.settings.values import http_url

Subject = Literal["use_case", "user", "key", "model", "provider", "all"]


class DestinationSettings(Table):
    """A place where alerts go."""

    kind: Literal["webhook", "slack"] = Field("webhook", description="JSON by POST, or a message to a Slack channel")
    url: Annotated[str, AfterValidator(http_url)] | None = Field(
        None, description="webhook: where to POST", examples=["https://alerts.example.com/workbench"]
    )
    credential: Credential | None = Field(
        None,
        description="reference: webhook: to the secret that signs what is sent; slack: to the webhook's URL",
    )

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.kind == "webhook" and self.url is None:
            raise ValueError("a webhook needs its url")
        if self.kind == "slack" and (self.credential is None or self.url is not None):
            raise ValueError("the URL of a Slack webhook is a secret: give it as credential, not as url")
        return self


class CostRule(Table):
    """Somebody should hear when so much was spent."""

    usd: float = Field(gt=0, description="US dollars of a period", examples=[100.0])
    period: Literal["day", "month"] = Field("day", description="UTC calendar")
    subject: Subject = Field("all", description="whose calls are summed")
    name: str | None = Field(None, description="which of them; default: each by itself")


class ErrorRateRule(Table):
    """Somebody should hear when too many calls fail."""

    share: float = Field(
        gt=0, le=1, description="share of calls that fail at the provider or in the gateway", examples=[0.2]
    )
    seconds: float = Field(300, ge=10, description="over how long")
    calls: int = Field(20, ge=1, description="with fewer calls in that time nothing is said")
    subject: Literal["use_case", "model", "provider", "all"] = Field("provider", description="whose calls")


class AlertSettings(Table):
    """Alerts."""

    destinations: dict[str, DestinationSettings] = Field({}, description="where alerts go, by name; each gets all")
    but: list[str] = Field(
        [], description="kinds that are not sent: budget, budget_overrun, limit_shadow, cost, error_rate, "
        "provider_outage, ledger, ...",
    )  # fmt: skip
    cost: list[CostRule] = Field([], description="thresholds of cost")
    error_rate: list[ErrorRateRule] = Field([], description="thresholds of the share of failures")
