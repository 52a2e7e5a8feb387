"""Which deployments a call tries, in which order, how often, and after which wait: at most three, fallbacks included.

Own deployments with room come first, then substitutes with reserved room, then own ones without, then fallbacks. What
cools is passed over while another can take the call; the last one is always tried. What goes to a place that is not
well, or to the same place again, draws on the retry budgets; going on to a place that is well does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from workbench.errors import (
    NotFound,
    PermissionDenied,
    ProviderLimit,
    WorkbenchError,
)
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.providers.provider import NOTHING_MADE, ConnectionDropped
from workbench.gateway.routing.deployment_health import DeploymentHealth, Hold
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Deployment, Model, Models

MAX_ATTEMPTS = 3
_BACKOFF_SECONDS = 0.25
"""Longest wait before the first retry at the same place; doubles with each, and a random part of it is waited."""
_OWN, _SUBSTITUTE, _FALLBACK = 0, 1, 2


class Attempt(msgspec.Struct, frozen=True, eq=False):
    """One try: a deployment on behalf of a model."""

    model: Model
    """The model that answers: the one asked for, a substitute or a fallback."""
    deployment: Deployment
    """Where."""
    hold: Hold
    """What is held for it."""
    instead_of: str | None = None
    """The model that was asked for, where another one answers."""
    wait: float = 0.0
    """Seconds to wait before it."""


class _Place(msgspec.Struct, eq=False):
    """A deployment that may take the call."""

    model: Model
    deployment: Deployment
    health: DeploymentHealth
    rank: int
    error: WorkbenchError | None = None
    """How it failed last in this call."""
    tries: int = 0


class Attempts:
    """The tries of one call, handed out one by one; each is told how it went, and all are settled at the end."""

    def __init__(
        self,
        asked: Model,
        models: Models,
        scopes: Scopes,
        health: Health,
        *,
        size: int = 0,
        only: str | None = None,
        again: bool = True,
    ) -> None:
        """Begin with none; without `again`, what a place may have done is never asked of it twice."""
        self.asked = asked
        """The model that was asked for."""
        self.failures: list[tuple[Attempt, WorkbenchError]] = []
        """The tries that failed before their answer."""
        self._models = models
        self._scopes = scopes
        self._health = health
        self._size = size
        self._only = only
        self._again = again
        self.spare = 0.0
        """Share of a deployment that the call must leave free to find room there."""
        self._places: list[_Place] | None = None
        self._place: _Place | None = None
        self._current: Attempt | None = None
        self._repeat = self._repeated = False

    def __iter__(self) -> Iterator[Attempt]:
        self._health.budget.earn()
        for _ in range(MAX_ATTEMPTS):
            attempt = self._next()
            if attempt is None:
                return
            self._current = attempt
            yield attempt

    # -- how it went -------------------------------------------------------------------------------------------------

    def succeeded(self, attempt: Attempt, headers: Mapping[str, str] | None = None) -> None:
        """Note that a deployment has begun to answer; `headers` may tell what is left of its limits."""
        hold = attempt.hold
        hold.health.succeeded(hold, self._health.clock(), headers)

    def failed(self, attempt: Attempt, error: WorkbenchError) -> None:
        """Note how a try failed, before its answer or in the middle of it."""
        hold = attempt.hold
        if isinstance(error, ConnectionDropped) and not (self._repeated or hold.answered):
            # A connection that had gone stale says nothing of who is behind it: once more, at the same place.
            self._repeat = self._repeated = True
        else:
            hold.health.failed(hold, error, self._health.clock())
        if hold.answered:
            return
        self.failures.append((attempt, error))
        if self._place is not None:
            self._place.error = error
        self._let_go(attempt, 0)

    def turned_away(self, attempt: Attempt, error: WorkbenchError) -> None:
        """Note that a deployment's queue did not take a try, or not in time; that says nothing of its health."""
        self.failures.append((attempt, error))
        if self._place is not None:
            self._place.error = error
        if attempt.hold.over and len(attempt.model.deployments) > 1:
            self._health.turns(attempt.model).took(attempt.deployment, -attempt.hold.tokens)
        self._let_go(attempt, 0)

    def instead(self, name: str) -> Attempts | None:
        """Return the tries of another model, in the place of these; None where none of that name may take the call."""
        if self._only is not None or self.asked.task == "native" or not self._scopes.allow_model(name):
            return None
        try:
            model = self._models.get(name)
        except NotFound:
            return None
        if model is self.asked or model.task != self.asked.task:
            return None
        other = Attempts(model, self._models, self._scopes, self._health, size=self._size, again=self._again)
        other.spare = self.spare
        return other

    def settle(self, tokens: int | None) -> None:
        """Let go of what is held for the last try; `tokens` is what it used, None: it is not known."""
        if self._current is not None:
            self._let_go(self._current, tokens)

    def failure(self) -> WorkbenchError:
        """Return what the caller is told when no try is left: the last failure, and what failed before it."""
        if not self.failures:
            return self._nowhere()
        attempt, error = self.failures[-1]
        if isinstance(error, ProviderLimit):  # the first of them to be free again is soon enough
            told = [failure.retry_after for _, failure in self.failures if isinstance(failure, ProviderLimit)]
            error.retry_after = min((wait for wait in told if wait is not None), default=None)
        before = dict.fromkeys(
            f"{earlier.deployment.label} ({failure.error_code})"
            for earlier, failure in self.failures[:-1]
            if earlier.deployment is not attempt.deployment
        )
        if before:
            error.message += f" Tried before it: {', '.join(before)}."
            error.args = (error.message,)
        return error

    def _let_go(self, attempt: Attempt, tokens: int | None) -> None:
        more = attempt.hold.health.end(attempt.hold, tokens, self._health.clock())
        if more and len(attempt.model.deployments) > 1:
            self._health.turns(attempt.model).took(attempt.deployment, more)

    def _nowhere(self) -> WorkbenchError:
        if self._only is not None and self._scopes.allow_provider(self._only.partition("/")[0]):
            return NotFound(f"Model {self.asked.name!r} has no deployment {self._only!r} any more.")
        return PermissionDenied(
            f"The key may use no provider of model {self.asked.name!r}.", hint="`/me` tells what it may use."
        )

    # -- who is next -------------------------------------------------------------------------------------------------

    def _next(self) -> Attempt | None:
        now = self._health.clock()
        if self._repeat:
            self._repeat = False
            assert self._current is not None
            assert self._place is not None
            self._place.tries += 1
            return self._attempt(self._current.model, self._current.deployment, self._current.hold.health, now)
        if self._places is None:
            sole = self._sole(now)
            if sole is not None:
                return sole
            self._places = list(self._find_places())
        place = self._well(now)
        if place is not None:
            return self._go(place, now)
        return self._last_resort(now)

    def _sole(self, now: float) -> Attempt | None:
        """Return the one try of a model that has one deployment, is well and has nobody beside it; None for others."""
        model = self.asked
        if len(model.deployments) > 1 or model.fallbacks or model.substitutes or self._only is not None:
            return None
        deployment = model.deployments[0]
        if not self._scopes.allow_provider(deployment.provider):
            return None
        health = self._health.of(deployment)
        if not health.available(now):
            return None
        self._place = _Place(model, deployment, health, _OWN, tries=1)
        self._places = [self._place]
        return self._attempt(model, deployment, health, now)

    def _find_places(self) -> Iterator[_Place]:
        seen: set[str] = set()
        substitutes = [(name, _SUBSTITUTE) for name in self.asked.substitutes]
        fallbacks = [(name, _FALLBACK + number) for number, name in enumerate(self.asked.fallbacks)]
        for name, rank in [(self.asked.name, _OWN), *substitutes, *fallbacks]:
            try:
                model = self.asked if rank == _OWN else self._models.get(name)
            except NotFound:  # it was registered, and has been taken away
                continue
            if model.task != self.asked.task or not (rank == _OWN or self._scopes.allow_model(model.name)):
                continue
            for deployment in model.deployments:
                if rank == _SUBSTITUTE and deployment.capacity != "reserved":
                    continue
                if self._only is not None and deployment.label != self._only:
                    continue
                if deployment.id not in seen and self._scopes.allow_provider(deployment.provider):
                    if rank != _SUBSTITUTE:  # a substitute that is a fallback too may still be tried as one
                        seen.add(deployment.id)
                    yield _Place(model, deployment, self._health.of(deployment), rank)

    def _well(self, now: float) -> _Place | None:
        """Return the best place that was not tried yet and can take the call."""
        assert self._places is not None
        able = [place for place in self._places if not place.tries and place.health.available(now)]
        if not able:
            return None
        roomy = [place for place in able if place.health.room(self._size, now, spare=self.spare)]
        own = [place for place in roomy if place.rank == _OWN]
        substitutes = [place for place in roomy if place.rank == _SUBSTITUTE]
        reserved = any(place.deployment.capacity == "reserved" for place in own)
        if self.asked.prefer_reserved and not reserved and substitutes:
            return self._turn(substitutes)
        if own or substitutes:
            return self._turn(own or substitutes)
        crowded = [place for place in able if place.rank == _OWN]
        if crowded and not self.failures:
            return self._turn(crowded)
        fallbacks = [place for place in roomy if place.rank >= _FALLBACK] or crowded
        return self._turn(fallbacks or [place for place in able if place.rank >= _FALLBACK])

    def _turn(self, places: list[_Place]) -> _Place | None:
        """Return whose turn it is among the places of the first model."""
        if not places:
            return None
        model = min(places, key=lambda place: place.rank).model
        if len(model.deployments) == 1:
            return next(place for place in places if place.model is model)
        by_deployment = {place.deployment: place for place in places if place.model is model}
        return by_deployment[self._health.turns(model).choose(list(by_deployment))]

    def _last_resort(self, now: float) -> Attempt | None:
        """Return a try at what is not well, or at the same place again, the soonest first; None if none may be."""
        assert self._places is not None
        soonest: tuple[float, _Place] | None = None
        for place in self._places:
            if place.rank == _SUBSTITUTE:
                continue
            wait = self._wait(place, now)
            if wait is None:
                continue
            at = now + wait if place.tries else max(now + wait, place.health.ready_at(now))
            if soonest is None or at < soonest[0]:
                soonest = at, place
        if soonest is None:
            return None
        place = soonest[1]
        if self.failures and not (self._health.budget.spend(now) and place.health.budget.spend(now)):
            return None
        wait = self._wait(place, now) or 0.0
        if wait or place.tries:
            wait += self._health.chance() * _BACKOFF_SECONDS * 2 ** max(0, place.tries - 1)
        return self._go(place, now, wait=wait)

    def _wait(self, place: _Place, now: float) -> float | None:
        """Return how long a place asks to wait, as far as that is worth it; None where it is not to be asked again."""
        limited = isinstance(place.error, ProviderLimit)
        if place.error is not None and not limited and not (self._again and isinstance(place.error, NOTHING_MADE)):
            return None
        asked = place.health.wait_until - now
        policy = self._health.policy
        if 0 < asked <= policy.longest_wait:
            return asked
        if not place.tries:
            return 0.0
        return 0.0 if not limited and asked <= 0 and place.tries <= policy.retries else None

    def _go(self, place: _Place, now: float, *, wait: float = 0.0) -> Attempt:
        place.tries += 1
        self._place = place
        return self._attempt(place.model, place.deployment, place.health, now, wait=wait)

    def _attempt(
        self, model: Model, deployment: Deployment, health: DeploymentHealth, now: float, *, wait: float = 0.0
    ) -> Attempt:
        hold = health.begin(self._size, now)
        if len(model.deployments) > 1:
            self._health.turns(model).took(deployment, hold.tokens)
        return Attempt(model, deployment, hold, None if model is self.asked else self.asked.name, wait)
