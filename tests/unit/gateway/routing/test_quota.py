"""A quota that several workers share is one quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.gateway.access.scopes import Scopes
from workbench.gateway.admission.shared import SharedCounters
from workbench.gateway.routing.attempts import Attempts
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Deployment, Models
from workbench.settings import RoutingSettings


@pytest.fixture
def counters(tmp_path: Path) -> list[SharedCounters]:
    SharedCounters.create(tmp_path / "limits")
    return [SharedCounters(tmp_path / "limits", worker=worker) for worker in (0, 1)]


def reserved(quota: int) -> Deployment:
    return Deployment("r", "openai_compatible", "m", capacity="reserved", tokens_per_minute=quota)


def test_workers_fill_reserved_capacity_together(counters, model):
    now = 1000.0
    models = Models([model("a", reserved(10_000), "d")])
    workers = [Health(RoutingSettings(), models.deployments(), counters=one, clock=lambda: now) for one in counters]
    spilled = []
    for number in range(300):
        health = workers[number % 7 == 0]  # one gets most of the calls
        attempts = Attempts(models.get("a"), models, Scopes(), health)
        attempt = next(iter(attempts))
        if attempt.deployment.provider == "d":
            spilled.append(number)
        attempts.succeeded(attempt)
        attempts.settle(100)
    first = models.get("a").deployments[0]
    assert spilled == list(range(100, 300))
    assert [health.of(first).used(now) for health in workers] == [10_000, 10_000]
    assert [health.of(first).left(now) for health in workers] == [0, 0]
    now += 61
    assert [health.of(first).left(now) for health in workers] == [10_000, 10_000]


def test_what_one_worker_expects_the_other_sees_and_a_dead_one_holds_nothing(counters, model):
    models = Models([model("a", reserved(10_000))])
    first, second = (
        Health(RoutingSettings(), models.deployments(), counters=one, clock=lambda: 1000.0).of(
            models.get("a").deployments[0]
        )
        for one in counters
    )
    hold = first.begin(4000, 1000.0)
    assert (second.pending, second.left(1000.0)) == (1064, 8936)
    first.end(hold, 500, 1000.0)
    assert (second.pending, second.left(1000.0)) == (0, 9500)
    first.begin(4000, 1000.0)
    counters[1].settle_dead(0)
    assert second.pending == 0


def test_only_what_is_listed_with_a_quota_has_a_row_of_its_own(counters, model):
    models = Models([model("a", "p")])
    health = Health(RoutingSettings(), models.deployments(), counters=counters[0], clock=lambda: 0.0)
    for number in range(100):
        health.of(Deployment("p", "openai_compatible", f"m{number}", tokens_per_minute=5))
    assert counters[0].row("another") is not None
    assert sum(1 for slot in range(16_384) if counters[0]._cells[slot]) == 1
