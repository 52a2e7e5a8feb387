"""How one deployment is doing: its breaker, its cool-down, what it used in the last minute and what is under way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.errors import ProviderCredential, ProviderLimit, ProviderUnavailable, WorkbenchError
from workbench.gateway.routing.breaker import Breaker
from workbench.gateway.routing.models import Deployment
from workbench.gateway.routing.quota import Quota
from workbench.gateway.routing.retry_budget import RetryBudget
from workbench.gateway.routing.told import Told, told_by
from workbench.settings import RoutingSettings

ROOM_SHARE = 0.02
"""A call that needs more than this share of a quota has room all the same while so much of it is free: nothing spills
before a quota is 98 % full, whatever the size of the calls."""
_BYTES_PER_TOKEN = 4
_ANSWER_TOKENS = 64
"""What an answer is taken for until the first ones are known."""
_MEMORY = 0.95
"""How much of what was learned from earlier calls is kept with each new one."""
_LIMIT_SECONDS = 1.0
"""Cool-down after a 429 that does not say when to come back; doubles with each one in a row."""
_LONGEST_LIMIT_SECONDS = 3600.0


@dataclass(slots=True)
class ProviderHealth:
    """What holds for all deployments of a provider: whether it takes the gateway's credential."""

    name: str
    """Its name."""
    refused_until: float = 0.0
    """Second of the monotonic clock until which its deployments are passed over."""
    refused_at: float | None = None
    """Second of the epoch at which it began to refuse; None: it does not."""

    def refused(self, now: float, seconds: float) -> None:
        """Note that it refused the gateway's credential."""
        self.refused_until = now + seconds
        if self.refused_at is None:
            self.refused_at = time.time()

    def taken(self) -> None:
        """Note that it took the gateway's credential."""
        self.refused_until, self.refused_at = 0.0, None


class Hold:
    """One try at a deployment: what is held for it until it is known what it used."""

    __slots__ = ("answered", "base", "health", "over", "tokens")

    def __init__(self, health: DeploymentHealth, base: int, tokens: int) -> None:
        self.health = health
        self.base = base
        """Tokens by the size of the question alone."""
        self.tokens = tokens
        """Tokens that it is expected to use."""
        self.answered = False
        """Whether the deployment has begun to answer."""
        self.over = False
        """Whether nothing is held any more."""


class DeploymentHealth:
    """The health of one deployment; in-process, bounded, with times of the monotonic clock."""

    __slots__ = (
        "_answered", "_asked", "_limits_in_row", "_policy", "_quota", "_told", "breaker", "budget", "changed_at",
        "deployment", "in_flight", "last_error", "last_error_at", "limit", "limited_until", "provider", "wait_until",
    )  # fmt: skip

    def __init__(
        self,
        deployment: Deployment,
        provider: ProviderHealth,
        policy: RoutingSettings,
        budget: RetryBudget,
        quota: Quota,
    ) -> None:
        self.deployment = deployment
        self.provider = provider
        self.breaker = Breaker(policy)
        self.budget = budget
        """Retries that may come here."""
        self.limit = deployment.tokens_per_minute
        """Its quota, tokens a minute; None: not known."""
        self.limited_until = 0.0
        """Until when it asked to be left alone."""
        self.wait_until = 0.0
        """Until when it said, in so many words, to come back."""
        self.in_flight = 0
        """Calls under way in this process."""
        self.last_error: str | None = None
        """Code of the last error."""
        self.last_error_at: float | None = None
        """Second of the epoch at which it was."""
        self.changed_at = time.time()
        """Second of the epoch since which it does as it does."""
        self._policy = policy
        self._quota = quota
        self._told: Told | None = None
        self._limits_in_row = 0
        self._asked = self._answered = 0.0

    # -- may a call go here ------------------------------------------------------------------------------------------

    def available(self, now: float) -> bool:
        """Tell whether a call may go here while another place could take it."""
        return now >= self.limited_until and now >= self.provider.refused_until and self.breaker.lets(now)

    def ready_at(self, now: float) -> float:
        """Return when a call may go here again."""
        return max(now, self.limited_until, self.provider.refused_until, self.breaker.until)

    def room(self, size: int, now: float) -> bool:
        """Tell whether a question of so many bytes fits into what is left of the quota, as far as that is known."""
        left, whole = self.left(now), self.limit
        if left is not None:
            need = self._expected(_base(size))
            if left < (need if whole is None else min(need, whole * ROOM_SHARE)):
                return False
        told = self._told
        return told is None or told.requests is None or told.requests >= 1 or now >= told.until

    def left(self, now: float) -> float | None:
        """Return the tokens that may still be used now, by our own count and by what the provider told."""
        left: float | None = None
        if self.limit is not None:
            left = self.limit - self._quota.used(now) - self._quota.pending()
        told = self._told
        if told is not None and told.tokens is not None and now < told.until:
            left = told.tokens if left is None else min(left, told.tokens)
        return left

    def used(self, now: float) -> int:
        """Return the tokens that were used in the last minute."""
        return self._quota.used(now)

    @property
    def pending(self) -> int:
        """Tokens that the calls under way are expected to use."""
        return self._quota.pending()

    # -- the life of a try -------------------------------------------------------------------------------------------

    def begin(self, size: int, now: float) -> Hold:
        """Hold what a question of so many bytes is expected to use."""
        base = _base(size)
        tokens = self._expected(base)
        hold = Hold(self, base, tokens)
        self.in_flight += 1
        self._quota.hold(tokens)
        if self._told is not None:
            self._take_off(tokens)
        if self.breaker.condition != "closed":
            self.breaker.begin(hold, now)
        return hold

    def succeeded(self, hold: Hold, now: float, headers: Mapping[str, str] | None = None) -> None:
        """Note that it has begun to answer, and what it told of its limits."""
        hold.answered = True
        if self.breaker.condition != "closed" or self.limited_until or self.provider.refused_at is not None:
            self.changed_at = time.time()
            self.provider.taken()
            self.limited_until = self.wait_until = 0.0
        self._limits_in_row = 0
        self.breaker.succeeded(now)
        if headers is not None and (told := told_by(headers, now)) is not None:
            self._told = told

    def failed(self, hold: Hold, error: WorkbenchError, now: float) -> None:
        """Note how a try failed, before its answer or in the middle of it."""
        was_well = self.well(now)
        self.last_error, self.last_error_at = error.error_code, time.time()
        if isinstance(error, ProviderCredential):
            self.provider.refused(now, self._policy.longest_cool_seconds)
        elif isinstance(error, ProviderLimit):
            self._limited(error.retry_after, now)
        else:
            self.breaker.failed(hold, now)
            if isinstance(error, ProviderUnavailable) and error.retry_after is not None:
                self._wait(error.retry_after, now)
        if was_well and not self.well(now):
            self.changed_at = time.time()

    def end(self, hold: Hold, tokens: int | None, now: float) -> int:
        """Let go of what was held, and count what was used; None: it is not known, the expectation stands.

        Returns how many tokens more than expected there were, 0 for a hold that is over already.
        """
        if hold.over:
            return 0
        hold.over = True
        self.in_flight -= 1
        if self.breaker.condition != "closed":
            self.breaker.ended(hold)
        used = hold.tokens if tokens is None else tokens
        self._quota.let_go(hold.tokens, used, now)
        if tokens:
            self._asked = self._asked * _MEMORY + hold.base
            self._answered = self._answered * _MEMORY + tokens
        return used - hold.tokens

    def well(self, now: float) -> bool:
        """Tell whether nothing is known against it."""
        return self.breaker.condition == "closed" and now >= self.limited_until and now >= self.provider.refused_until

    def _limited(self, retry_after: float | None, now: float) -> None:
        if retry_after is not None:
            self._wait(retry_after, now)
            return
        seconds = min(_LIMIT_SECONDS * 2**self._limits_in_row, self._policy.longest_cool_seconds)
        self._limits_in_row = min(self._limits_in_row + 1, 16)
        self.limited_until = max(self.limited_until, now + seconds)

    def _wait(self, seconds: float, now: float) -> None:
        self.wait_until = max(self.wait_until, now + min(seconds, _LONGEST_LIMIT_SECONDS))
        self.limited_until = max(self.limited_until, self.wait_until)

    def _expected(self, base: int) -> int:
        return int(base * self._answered / self._asked) if self._asked else base

    def _take_off(self, tokens: int) -> None:
        told = self._told
        assert told is not None
        if told.tokens is not None:
            told.tokens -= tokens
        if told.requests is not None:
            told.requests -= 1


def _base(size: int) -> int:
    """Return what a question of so many bytes is taken for before anything was learned."""
    return size // _BYTES_PER_TOKEN + _ANSWER_TOKENS
