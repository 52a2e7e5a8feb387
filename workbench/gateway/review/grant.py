"""What a reviewer gives a use case: limits, money, urgency, and what its keys may use."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from workbench.errors import InvalidInput, PermissionDenied
from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.access.use_cases import UseCase
from workbench.gateway.review.rfc import Rfc, Tier
from workbench.settings.review import ReviewSettings

_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Patterns = Annotated[list[_Line], msgspec.Meta(min_length=1, max_length=1000)]

FIELDS = (
    "Fields: why, limits {...}, budget {usd_per_day, usd_per_month, usd_total}, tier (1 to 3), "
    "guaranteed_tokens_per_minute, weight, when_exhausted, models, providers."
)


class GrantWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of an approval: what is left out follows the RFC and the template; null takes a limit or budget away."""

    why: Annotated[str, msgspec.Meta(max_length=5000)] = ""
    limits: Limits | msgspec.UnsetType | None = msgspec.UNSET
    budget: Budget | msgspec.UnsetType | None = msgspec.UNSET
    tier: Tier | msgspec.UnsetType = msgspec.UNSET
    guaranteed_tokens_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] | msgspec.UnsetType = msgspec.UNSET
    when_exhausted: _Line | msgspec.UnsetType | None = msgspec.UNSET
    models: _Patterns | msgspec.UnsetType = msgspec.UNSET
    providers: _Patterns | msgspec.UnsetType = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """Return the fields of the grant that are given, without nulls."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "why")
        found = {name: value for name, value in fields if value is not msgspec.UNSET}
        nothing = {"limits": NO_LIMITS, "budget": NO_BUDGET}
        return {name: nothing.get(name) if value is None else value for name, value in found.items()}


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What was granted."""

    data_class: str
    """The most sensitive data that may be sent."""
    service_level: str
    """`online` or `batch`."""
    tier: int
    """How critical it is."""
    guaranteed_tokens_per_minute: int
    """Tokens a minute that it gets even where deployments are short."""
    weight: float
    """Its share of what batch work may use."""
    limits: Limits
    """Over all its keys together."""
    budget: Budget
    """Over all its keys together."""
    when_exhausted: str | None = None
    """A cheaper model that takes its calls when its budget is used up; None: they are refused."""
    models: list[str]
    """Models that its keys may use, as patterns."""
    providers: list[str]
    """Providers that its keys may use, as patterns."""

    def use_case(self, name: str, owner: str, *, retired: bool) -> UseCase:
        """Return the use case as the way of a call sees it."""
        return UseCase(
            name=name,
            owner=owner,
            data_class=self.data_class,
            service_level="batch" if self.service_level == "batch" else "online",
            tier=self.tier,
            guaranteed_tokens_per_minute=self.guaranteed_tokens_per_minute,
            weight=self.weight,
            limits=self.limits,
            budget=self.budget,
            when_exhausted=self.when_exhausted,
            retired=retired,
        )

    def scopes(self, *, models: list[str] | None, providers: list[str] | None, paths: list[str] | None) -> Scopes:
        """Return the scopes of a key within the grant; raises PermissionDenied for more than was granted."""
        return Scopes(
            models=_within("models", models, self.models),
            providers=_within("providers", providers, self.providers),
            paths=tuple(paths or ("*",)),
        )


def grant(rfc: Rfc, wish: GrantWish, *, review: ReviewSettings, data_class: str, providers: list[str]) -> Grant:
    """Return what is granted to an RFC: its own wishes and the template of its service level, but for what is given.

    `providers` are those that may see its data; raises InvalidInput for others.
    """
    template = getattr(review.templates, rfc.service_level)
    fields: dict[str, Any] = {
        "tier": rfc.tier,
        "guaranteed_tokens_per_minute": template.guaranteed_tokens_per_minute,
        "weight": template.weight,
        "limits": msgspec.convert(template.limits.model_dump(exclude_none=True), Limits),
        "budget": msgspec.convert(template.budget.model_dump(exclude_none=True), Budget),
        "models": rfc.models,
        "providers": rfc.providers or providers,
    }
    fields |= wish.given()
    for name in fields["providers"]:
        if name not in providers:
            raise InvalidInput(
                f"Provider {name!r} may not see {data_class} data, or is none of this gateway.",
                hint=f"It may go to {', '.join(providers) or 'none that is configured'}.",
                param="providers",
            )
    return Grant(
        data_class=data_class,
        service_level=rfc.service_level,
        **fields,
    )


def _within(what: str, wished: list[str] | None, granted: list[str]) -> tuple[str, ...]:
    if wished is None:
        return tuple(granted)
    allowed = Scopes(models=tuple(granted))
    for pattern in wished:
        # A pattern may reach further than it looks: only one that was granted itself is passed on.
        if pattern not in granted and not (_is_name(pattern) and allowed.allow_model(pattern)):
            raise PermissionDenied(
                f"{what}: {pattern!r} is more than was approved.",
                hint=f"Approved: {', '.join(granted)}. A reviewer approves more.",
                code="not_approved",
            )
    return tuple(wished)


def _is_name(pattern: str) -> bool:
    return not any(mark in pattern for mark in "*?[")
