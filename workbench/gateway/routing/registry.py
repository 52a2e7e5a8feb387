"""Models that were added to a running gateway: kept in the state database, in force at once, seen by whom they are for.

The configuration wins: what it names can't be registered, and what it names later hides what was registered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from pydantic import ValidationError

from workbench.errors import Conflict, InvalidInput, NotFound
from workbench.gateway.routing.models import Audience, Model, model_from
from workbench.gateway.routing.patterns import is_pattern
from workbench.gateway.state import MODELS, State, models_table
from workbench.gateway.times import utc_text
from workbench.settings import ModelSettings

if TYPE_CHECKING:
    from workbench.gateway.upstream import Upstream

_log = logging.getLogger("workbench.gateway.models")

_OF_DEPLOYMENT = ("provider", "region", "capacity", "tokens_per_minute")


class Registration(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model as it is registered; the body of `POST /admin/v1/models`."""

    name: str
    """The name that callers use."""
    provider: str
    """A provider of the configuration."""
    model: str
    """The provider's own name of the model."""
    task: str = "chat"
    """What it does."""
    region: str | None = None
    """Where it runs."""
    capacity: str = "on_demand"
    """`on_demand` or `reserved`."""
    tokens_per_minute: int | None = None
    """Its quota."""
    price: dict[str, float] | None = None
    """US dollars per million tokens: `input`, `output`, `cached_input`."""
    fallbacks: list[str] = []
    """Models that take a call when this one can't."""
    owner: str | None = None
    """Only keys of this owner may see it; None: everybody's."""
    use_case: str | None = None
    """Only keys of this use case may see it."""
    facts: dict[str, Any] = {}
    """What was found out about it, for the catalogue."""


class Kept(msgspec.Struct, kw_only=True):
    """A registration and when, by whom."""

    registration: Registration
    """What was registered."""
    created_at: float
    """Seconds since the epoch."""
    created_by: str
    """Who did it."""

    def as_dict(self) -> dict[str, Any]:
        """Return what may be told of it."""
        told = {"created_at": utc_text(self.created_at), "created_by": self.created_by}
        return {**{name: getattr(self.registration, name) for name in Registration.__struct_fields__}, **told}


class Registry:
    """The registered models of a gateway."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[str, Kept] = {}
        self._lock = asyncio.Lock()

    def open(self) -> None:
        """Read them back; blocks."""
        with self._state.transaction() as connection:
            rows = connection.execute(sa.select(models_table).order_by(models_table.c.created_at)).mappings().all()
        self._kept = {
            row["name"]: Kept(
                registration=msgspec.convert(row["model"], Registration),
                created_at=row["created_at"],
                created_by=row["created_by"],
            )
            for row in rows
        }

    async def catch_up(self, current: Callable[[], Upstream]) -> None:
        """Put in force what another process has registered or taken away."""
        async with self._lock:
            before = self._kept
            await asyncio.to_thread(self.open)
            for name in before.keys() - self._kept.keys():
                current().models.forget(name)
            self.enter(current())

    def list(self) -> list[Kept]:
        """Return all of them, the oldest first."""
        return list(self._kept.values())

    def get(self, name: str) -> Kept:
        """Return one; raises NotFound."""
        kept = self._kept.get(name)
        if kept is None:
            raise NotFound(f"No model named {name[:200]!r} was registered.", hint="GET /admin/v1/models lists them.")
        return kept

    def enter(self, upstream: Upstream) -> None:
        """Put them in force beside the models of a configuration; those that it can't serve wait."""
        for kept in self._kept.values():
            try:
                upstream.models.register(model_of(kept.registration, upstream))
            except (InvalidInput, NotFound) as error:
                _log.warning("the registered model %r is not in force: %s", kept.registration.name, error)

    async def add(
        self, registration: Registration, current: Callable[[], Upstream], *, by: str, again: bool = False
    ) -> Kept:
        """Register a model, in force when this returns; raises InvalidInput or Conflict."""
        async with self._lock:
            name = registration.name
            model_of(registration, current())
            if current().models.is_listed(name):
                raise Conflict(f"The configuration names a model {name!r} already.", hint="Choose another name.")
            if name in self._kept and not again:
                raise Conflict(
                    f"A model {name!r} was registered already.", hint=f"DELETE /admin/v1/models/{name} takes it away."
                )
            kept = Kept(registration=registration, created_at=time.time(), created_by=by)
            await asyncio.to_thread(self._write, kept)
            self._kept[name] = kept
            current().models.register(model_of(registration, current()))
            return kept

    async def remove(self, name: str, current: Callable[[], Upstream]) -> Kept:
        """Take a registered model away; raises NotFound."""
        async with self._lock:
            kept = self.get(name)
            await asyncio.to_thread(self._delete, name)
            del self._kept[name]
            current().models.forget(name)
            return kept

    def _write(self, kept: Kept) -> None:
        with self._state.transaction(tells=MODELS) as connection:
            name = kept.registration.name
            connection.execute(models_table.delete().where(models_table.c.name == name))
            connection.execute(
                models_table.insert().values(
                    name=name,
                    model=msgspec.to_builtins(kept.registration),
                    created_at=kept.created_at,
                    created_by=kept.created_by,
                )
            )

    def _delete(self, name: str) -> None:
        with self._state.transaction(tells=MODELS) as connection:
            connection.execute(models_table.delete().where(models_table.c.name == name))


def model_of(registration: Registration, upstream: Upstream) -> Model:
    """Return the model that a registration describes; raises InvalidInput for one that can't be served."""
    name = registration.name
    if is_pattern(name) or not name.isprintable() or not 1 <= len(name) <= 200 or name != name.strip():
        raise InvalidInput(
            "That is no model's name.", hint="Send 1 to 200 printable characters without '*'.", param="name"
        )
    if registration.provider not in upstream.settings.providers:
        known = ", ".join(map(repr, upstream.settings.providers)) or "none"
        raise InvalidInput(
            f"No provider named {registration.provider[:200]!r}.",
            hint=f"Known: {known}. `workbench config add provider` and a reload add one.",
            param="provider",
        )
    for fallback in registration.fallbacks:
        upstream.models.get(fallback)
    deployment = {field: getattr(registration, field) for field in _OF_DEPLOYMENT}
    try:
        settings = ModelSettings.model_validate(
            {
                "name": name,
                "task": registration.task,
                "fallbacks": registration.fallbacks,
                "price": registration.price,
                "deployments": [{**deployment, "model": registration.model}],
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        at = str(first["loc"][-1])
        raise InvalidInput(
            f"{at}: {first['msg']}.", hint="The settings of [[models]] hold here too.", param=at
        ) from error
    model = model_from(settings, upstream.settings)
    audience = None
    if registration.owner is not None or registration.use_case is not None:
        audience = Audience(owner=registration.owner, use_case=registration.use_case)
    return replace(model, audience=audience, facts=registration.facts)
