"""What one account is and has left, as read from the gateway at one moment; never the key itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.errors import GatewayUnreachable, WorkbenchError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway

T = TypeVar("T")

CALLS = 10
"""How many of the last calls are shown."""


@dataclass(frozen=True)
class Account:
    """A reading; what could not be read is empty and told in `problems`."""

    read_at: datetime
    """When (UTC)."""
    url: str | None = None
    """The gateway."""
    me: Mapping[str, Any] = field(default_factory=dict)
    """Who asks: `owner`, `kind`, `expires_at`, `use_case`, `stage`, `left`, `held_to`."""
    spent_usd: float | None = None
    """What the calls of this key cost together, US dollars."""
    models: tuple[Mapping[str, Any], ...] = ()
    """The catalogue's rows."""
    live_prompts: tuple[Mapping[str, Any], ...] = ()
    """The prompts that are published: `name`, `alias`, `version`, `published_at`, `published_by`."""
    calls: tuple[Mapping[str, Any], ...] = ()
    """The last rows of the ledger, newest first."""
    problems: tuple[WorkbenchError, ...] = ()
    """What could not be read, and who must act."""


def read_account(gateway: Gateway) -> Account:
    """Read all of it; a part that can't be had leaves the others standing."""
    problems: list[WorkbenchError] = []

    def read(ask: Callable[[], T], otherwise: T) -> T:
        if any(isinstance(each, GatewayUnreachable) for each in problems):
            return otherwise  # the others would wait for nothing
        try:
            return ask()
        except WorkbenchError as error:
            problems.append(error)
            return otherwise

    nobody: dict[str, Any] = {}
    nothing: list[dict[str, Any]] = []
    return Account(
        datetime.now(UTC),
        gateway.url,
        me=read(gateway.me, nobody),
        spent_usd=read(gateway.own_usage, nobody).get("cost_usd"),
        models=tuple(_rows(read(gateway.models, None))),
        live_prompts=tuple(read(gateway.live_prompts, nothing)),
        calls=tuple(read(partial(gateway.calls, limit=CALLS), nothing)),
        problems=tuple(problems),
    )


def _rows(models: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the models that the key may use; what is not known is None."""
    if models is None:
        return []
    found = models.astype(object).where(models.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in found if row.get("allowed", True)]
