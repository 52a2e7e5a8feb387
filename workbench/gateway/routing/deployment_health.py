"""How one deployment is doing: its breaker, its cool-down, what it used in the last minute and what is under way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

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


class Passage(Protocol):
    """What a try carries that was let through a gate."""

    def over(self, *, more: int, answered: bool) -> None:
        """Note that it has ended: how many tokens more than expected it used, and whether it was answered."""


class Hold:
    """One try at a deployment: what is held for it until it is known what it used."""

    __slots__ = ("answered", "base", "health", "over", "passage", "tokens")

    def __init__(self, health: DeploymentHealth, base: int, tokens: int) -> None:
        self.health = health
        self.base = base
        """Tokens by the size of the question alone."""
        self.tokens = tokens
        """Tokens that it is expected to use."""
        self.answered = False
        """Whether the deployment has begun to answer."""
        self.over = False
        """Whether nothing is held: it has ended, or waits for its turn."""
        self.passage: Passage | None = None
        """Who is to hear of its end."""


class DeploymentHealth:
    """The health of one deployment; in-process, bounded, with times of the monotonic clock."""

    __slots__ = (
        "_answered", "_asked", "_limits_in_row", "_policy", "_quota", "_told", "_widest", "breaker", "budget",
        "changed_at", "concurrent", "deployment", "in_flight", "last_error", "last_error_at", "limit", "limited_until",
        "limits", "provider", "wait_until", "waiting",
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
        self.concurrent = deployment.concurrent
        """Calls that it takes at once; None: not known."""
        self.limits = 0
        """How often its provider has answered 429."""
        self.waiting = 0
        """Calls of this process that wait for their turn."""
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
        self._widest = 0.0
        self._limits_in_row = 0
        self._asked = self._answered = 0.0

    # -- may a call go here ------------------------------------------------------------------------------------------

    def available(self, now: float) -> bool:
        """Tell whether a call may go here while another place could take it."""
        return now >= self.limited_until and now >= self.provider.refused_until and self.breaker.lets(now)

    def ready_at(self, now: float) -> float:
        """Return when a call may go here again."""
        return max(now, self.limited_until, self.provider.refused_until, self.breaker.until)

    @property
    def bounded(self) -> bool:
        """Whether anything is known that may run out here."""
        return self.limit is not None or self.concurrent is not None or self._told is not None or self.limits > 0

    @property
    def whole(self) -> float:
        """Tokens of its whole quota: as configured, else the most that the provider told to be left."""
        return self._widest if self.limit is None else self.limit

    def room(self, size: int, now: float, *, spare: float = 0.0) -> bool:
        """Tell whether a question of so many bytes fits into what is left, as far as that is known."""
        if self.concurrent is not None and self.in_flight >= self.concurrent * (1 - spare):
            return False
        return self.has_tokens(self._expected(_base(size)), now, spare=spare)

    def has_tokens(self, need: int, now: float, *, spare: float = 0.0) -> bool:
        """Tell whether so many tokens fit into what is left, and leave a share of the whole to spare."""
        left = self.left(now)
        if left is not None:
            whole = self.whole
            if left < (need if self.limit is None else min(need, whole * ROOM_SHARE)) + whole * spare:
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
        self._begin(hold, now)
        return hold

    def _begin(self, hold: Hold, now: float) -> None:
        self.in_flight += 1
        self._quota.hold(hold.tokens)
        if self._told is not None:
            self._take_off(hold.tokens)
        if self.breaker.condition != "closed":
            self.breaker.begin(hold, now)

    def step_back(self, hold: Hold) -> None:
        """Hold nothing for a try that waits for its turn."""
        hold.over = True
        self.in_flight -= 1
        if self.breaker.condition != "closed":
            self.breaker.ended(hold)
        self._quota.let_go(hold.tokens, 0, 0.0)
        if self._told is not None:
            self._take_off(-hold.tokens, requests=-1)

    def step_in(self, hold: Hold, now: float) -> None:
        """Hold again what a try needs whose turn it is."""
        hold.over = False
        self._begin(hold, now)

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
            self._widest = max(self._widest, told.tokens or 0.0)

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
        if hold.passage is not None:
            hold.passage.over(more=used - hold.tokens, answered=hold.answered)
        return used - hold.tokens

    def well(self, now: float) -> bool:
        """Tell whether nothing is known against it."""
        return self.breaker.condition == "closed" and now >= self.limited_until and now >= self.provider.refused_until

    def _limited(self, retry_after: float | None, now: float) -> None:
        self.limits += 1
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

    def _take_off(self, tokens: int, *, requests: int = 1) -> None:
        told = self._told
        assert told is not None
        if told.tokens is not None:
            told.tokens -= tokens
        if told.requests is not None:
            told.requests -= requests


def _base(size: int) -> int:
    """Return what a question of so many bytes is taken for before anything was learned."""
    return size // _BYTES_PER_TOKEN + _ANSWER_TOKENS
