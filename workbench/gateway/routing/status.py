"""How deployments and providers are doing, as it is told: all of it to admins, a state and a sentence to callers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Literal

from workbench.gateway.routing.deployment_health import DeploymentHealth
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Models
from workbench.gateway.times import utc_text

State = Literal["ok", "degraded", "down"]


def deployments(health: Health, models: Models) -> list[dict[str, Any]]:
    """Return all that is known of each deployment, for admins."""
    named: dict[str, list[str]] = {}
    for model in models:
        for deployment in model.deployments:
            named.setdefault(deployment.id, []).append(model.name)
    now = health.clock()
    return [_deployment(one, named.get(one.deployment.id, []), now) for one in health]


def providers(health: Health, names: Iterable[str], *, since: float) -> list[dict[str, Any]]:
    """Return a state and a sentence for each provider; `since` is when the gateway began."""
    now = health.clock()
    of: dict[str, list[DeploymentHealth]] = {name: [] for name in names}
    for one in health:
        of.get(one.deployment.provider, []).append(one)
    return [_provider(name, known, now, since) for name, known in of.items()]


def _deployment(one: DeploymentHealth, models: list[str], now: float) -> dict[str, Any]:
    deployment = one.deployment
    until = None if one.available(now) else max(one.ready_at(now), now)
    left = one.left(now)
    return {
        "deployment": deployment.label,
        "provider": deployment.provider,
        "model": deployment.model,
        "region": deployment.region,
        "capacity": deployment.capacity,
        "weight": deployment.weight,
        "models": models,
        "state": one.breaker.condition,
        "passed_over_until": None if until is None else _wall(until, now),
        "last_error": one.last_error,
        "last_error_at": None if one.last_error_at is None else utc_text(one.last_error_at),
        "since": utc_text(one.changed_at),
        "in_flight": one.in_flight,
        "concurrent": one.concurrent,
        "waiting": one.waiting,
        "tokens_per_minute": one.limit,
        "tokens_used": one.used(now),
        "tokens_expected": one.pending,
        "tokens_left": None if left is None else int(left),
    }


def _provider(name: str, known: list[DeploymentHealth], now: float, since: float) -> dict[str, Any]:
    state, why, at = _state(name, known, now)
    if at is None:
        at = max((one.changed_at for one in known), default=since)
    return {"provider": name, "state": state, "since": utc_text(max(at, since)), "message": why}


def _state(name: str, known: list[DeploymentHealth], now: float) -> tuple[State, str, float | None]:
    refused_at = known[0].provider.refused_at if known else None
    if refused_at is not None:
        return "down", f"{name} refuses the gateway's credential; the admin must mend it.", refused_at
    # That a provider does not know a model which a caller named is nothing against the provider.
    failing = [one for one in known if one.breaker.condition != "closed" and one.last_error != "provider_not_found"]
    limited = [one for one in known if now < one.limited_until]
    if failing and len(failing) == len(known):
        codes = ", ".join(sorted({one.last_error or "provider_error" for one in failing}))
        return "down", f"{name} fails ({codes}); calls that it answers again end this.", _earliest(failing)
    if failing:
        labels = ", ".join(one.deployment.label for one in failing[:5])
        return "degraded", f"{labels} fails; other models of {name} answer.", _earliest(failing)
    if limited:
        labels = ", ".join(one.deployment.label for one in limited[:5])
        return "degraded", f"{name} limits the gateway's calls to {labels}.", _earliest(limited)
    if all(one.last_error_at is None and not one.in_flight and not one.used(now) for one in known):
        return "ok", f"Nothing is known against {name}.", None
    return "ok", f"{name} answers.", None


def _earliest(some: list[DeploymentHealth]) -> float:
    return min(one.changed_at for one in some)


def _wall(monotonic: float, now: float) -> str:
    return utc_text(time.time() + monotonic - now)
