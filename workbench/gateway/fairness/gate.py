"""The gate before one deployment: who may go on at once, and in which order the others follow.

Not short (more than three quarters of the quota free, calls at once to spare, no 429 lately, nobody waiting) is told
by a few comparisons. Else work of low priority keeps to what online work leaves, at an even pace, because a sliding
minute that was filled at once stays full for a minute; and whoever does not fit waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from workbench.errors import PermissionDenied, QueueRefused, WorkbenchError
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.gateway.fairness.demand import Demand
from workbench.gateway.fairness.fair_queue import FairQueue
from workbench.gateway.fairness.guarantees import Guarantees
from workbench.gateway.fairness.passage import Passage
from workbench.gateway.fairness.rank import BACKGROUND, BANDS, TIERS, Rank
from workbench.gateway.routing.deployment_health import DeploymentHealth, Hold
from workbench.gateway.routing.window import MinuteWindow
from workbench.settings.fairness import FairnessSettings

_TICK_SECONDS = 0.02
"""How often it is looked whether a minute's window or a cool-down has made room, while somebody waits."""
_LENT_SHARE = 0.25
"""Share of a quota that may be used up before low priority work is paced."""
_BURST_SECONDS = 1.0
"""How far low priority work may be ahead of its pace."""
_DEMAND_MARGIN = 1.1
_LEAST_PACE = 0.01
"""Share of the quota by which low priority work goes on whatever online work asks for, if there is room."""
_QUIET_SECONDS = 600.0
"""So long after an online call its share is kept free; then it is lent, until the next one comes."""
_FORGOTTEN_SECONDS = 60.0
"""So long after a provider's last 429 low priority work is held to no number of calls at once."""
_ROUND_SECONDS = 1.0
_WIDER_SECONDS = 60.0
"""So long after an online call had to wait for a call to end one more is kept free."""
_MANY_CALLS = 6
"""Calls at once of which two are kept free: with one, a second online call within a few milliseconds would wait."""
_LONGEST_RETRY = 60


class Waiter:
    """A call that waits."""

    __slots__ = ("future", "hold", "rank", "timer")

    def __init__(self, hold: Hold, rank: Rank, future: asyncio.Future[None]) -> None:
        self.hold = hold
        self.rank = rank
        self.future = future
        self.timer: asyncio.TimerHandle | None = None


class Gate:
    """The gate of one deployment, of one process; workers and gateways share the deployment's quota."""

    def __init__(
        self,
        health: DeploymentHealth,
        settings: FairnessSettings,
        *,
        use_cases: UseCaseTable,
        guarantees: Guarantees,
        clock: Callable[[], float],
        workers: int = 1,
    ) -> None:
        self._use_cases = use_cases
        self._guarantees = guarantees
        self._clock = clock
        self._workers = workers
        self._queues: dict[int, FairQueue[Waiter]] = {band: FairQueue() for band in BANDS}
        self._waiting = 0
        self._window = MinuteWindow()
        self._demand = Demand()
        self._online_at = -math.inf
        self._background = 0
        self._paced_until = 0.0
        self._more_spare = 0
        self._more_until = -math.inf
        self._limits_seen = 0
        self._limited_at = self._halved_at = -math.inf
        self._most_background = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._plain = Passage(self)
        self.describe(health, settings)

    def describe(self, health: DeploymentHealth, settings: FairnessSettings) -> None:
        """Go by another description of the deployment, or by other settings, as after a reload."""
        self.health = health
        """Of the deployment."""
        self.settings = settings
        """As they are now."""
        self._eased: int | None = None
        """The calls at once that `_ease` was worked out for."""
        self._ease = 0.0
        """Calls at once up to which there are some to spare, whatever is kept free for online work."""

    @property
    def idle(self) -> bool:
        """Whether nobody waits, and nothing is remembered against the deployment."""
        return not (self._waiting or self._background) and self._most_background == math.inf

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return self._waiting

    # -- coming in ---------------------------------------------------------------------------------------------------

    def enter(self, hold: Hold, rank: Rank) -> Waiter | None:
        """Let a call go on for which the deployment holds room, or let go of that room and let it wait.

        Raises QueueRefused where its queue is full, or it could not be served in time.
        """
        now = self._clock()
        if self._waiting or self._is_short(now):
            return self._line_up(hold, rank, now)
        self._let_in(hold, rank, now)
        return None

    async def wait(self, waiter: Waiter, *, at_most: float) -> None:
        """Wait until it is a call's turn; raises QueueRefused after too long, and leaves the queue with its client."""
        if waiter.future.done():
            return await waiter.future
        loop = asyncio.get_running_loop()
        waiter.timer = loop.call_later(max(0.0, at_most), self._expire, waiter)
        try:
            await waiter.future
        finally:
            waiter.timer.cancel()
            if waiter.future.cancelled():
                self._leave(waiter)

    def _is_short(self, now: float) -> bool:
        health, most = self.health, self.health.concurrent
        if health.limits != self._limits_seen or self._most_background != math.inf or now < health.limited_until:
            return True
        if most is not None:
            if most != self._eased:
                part = self._part(most)
                self._eased, self._ease = most, part - min(self._kept(int(part)) + int(part) // 2, int(part) - 1)
            if health.in_flight > self._ease and health.in_flight > self._part(most) - self._spare(most, now):
                return True
        left = health.left(now)
        return left is not None and left < health.whole * (1 - _LENT_SHARE)

    def _line_up(self, hold: Hold, rank: Rank, now: float) -> Waiter | None:
        queue = self._queues[rank.band]
        if queue.count(rank.flow) >= self.settings.longest_queue:
            raise self._refused(rank, "is full", "queue_full")
        health = self.health
        wait = health.limited_until - now
        if rank.band == BACKGROUND and wait > self.settings.batch_wait:
            raise self._refused(rank, "would be too long", "queue_full", after=wait)
        hold.health.step_back(hold)
        waiter = Waiter(hold, rank, asyncio.get_running_loop().create_future())
        queue.push(waiter, flow=rank.flow, member=rank.member, cost=hold.tokens, weight=rank.weight)
        self._waiting += 1
        health.waiting += 1
        self.pump()
        if waiter.future.done():
            return None
        if rank.band != BACKGROUND and self._background and health.concurrent is not None:
            most = int(self._part(health.concurrent)) // 2  # it waits for low priority work: too little was kept free
            self._more_spare, self._more_until = min(self._more_spare + 1, most), now + _WIDER_SECONDS
        return waiter

    def _let_in(self, hold: Hold, rank: Rank, now: float) -> None:
        tokens = hold.tokens
        if rank.band == BACKGROUND:
            self._background += 1
            self._window.add(tokens, now)
            hold.passage = Passage(self, rank)
        else:
            self._online_at = now
            self._demand.add(tokens, now)
            hold.passage = Passage(self, rank) if rank.guaranteed else self._plain
        if rank.guaranteed:
            self._guarantees.took(rank.flow, tokens, now)

    # -- going out ---------------------------------------------------------------------------------------------------

    def out(self, rank: Rank | None, *, more: int, answered: bool) -> None:
        """Note that a call has ended that used so many tokens more than expected; what it held is free already."""
        if rank is not None:
            now = self._clock()
            if rank.guaranteed and more:
                self._guarantees.took(rank.flow, more, now)
            if rank.band == BACKGROUND:
                self._background -= 1
                self._queues[BACKGROUND].charge(rank.flow, more)
                if more:
                    self._window.add(more, now)
                if answered:
                    self._most_background += 1 / max(1.0, self._most_background)
        if self._waiting:
            self.pump()

    # -- whose turn it is --------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Let everybody in whose turn it is, and look again soon while somebody waits."""
        now = self._clock()
        self._heed_limits(now)
        while self._waiting and (waiter := self._next(now)) is not None:
            if waiter.future.done():  # its client has left, and it is about to leave the queue
                break
            self._grant(waiter, now)
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._heed_use_cases()
        self.pump()

    def _next(self, now: float) -> Waiter | None:
        for band in BANDS:
            for flow, waiter in self._queues[band].flows():
                rank = waiter.rank
                if rank.guaranteed and self._guarantees.used(flow, now) < self._part(rank.guaranteed):
                    return waiter if self._fits(waiter, now) else None
        for tier in TIERS:
            first = self._queues[tier].first()
            if first is not None:
                return first if self._fits(first, now) else None
        last = self._queues[BACKGROUND].first()
        return last if last is not None and self._is_left(last, now) else None

    def _fits(self, waiter: Waiter, now: float) -> bool:
        """Tell whether the deployment can take a call at all."""
        health = self.health
        most = health.concurrent
        if most is not None and health.in_flight >= self._part(most):
            return False
        return health.has_tokens(waiter.hold.tokens, now)

    def _is_left(self, waiter: Waiter, now: float) -> bool:
        """Tell whether online work leaves a place for a call."""
        health, tokens = self.health, waiter.hold.tokens
        most, limit = health.concurrent, health.limit
        if now < health.limited_until or self._background >= self._most_background:
            return False
        if most is not None and health.in_flight >= self._part(most) - self._spare(most, now):
            return False
        expects = self._expects_online(now)
        if not health.has_tokens(tokens, now, spare=self.settings.headroom if expects else 0.0):
            return False
        if limit is None or not expects:
            return True
        if self._window.total(now) >= self._left_by_online(limit, now):
            return False
        used = limit - (health.left(now) or 0.0)
        return used < limit * _LENT_SHARE or now >= self._paced_until

    def _grant(self, waiter: Waiter, now: float) -> None:
        hold, rank = waiter.hold, waiter.rank
        self._queues[rank.band].take(rank.flow, waiter, member=rank.member)
        self._gone(waiter)
        hold.health.step_in(hold, now)
        self._let_in(hold, rank, now)
        if rank.band == BACKGROUND and self.health.limit is not None:
            pace = max(self._left_by_online(self.health.limit, now), self._part(self.health.limit) * _LEAST_PACE) / 60
            self._paced_until = max(now - _BURST_SECONDS, self._paced_until) + hold.tokens / pace
        waiter.future.set_result(None)

    def _expects_online(self, now: float) -> bool:
        return now - self._online_at < _QUIET_SECONDS or self._use_cases.has_online

    def _left_by_online(self, limit: int, now: float) -> float:
        """Return the tokens of a minute that are for low priority work in this process."""
        return self._part(limit) * (1 - self.settings.headroom) - _DEMAND_MARGIN * self._demand.a_minute(now)

    def _part(self, whole: int) -> float:
        """Return what of a quota is this process's own."""
        return max(1.0, whole / (self._workers * self.settings.gateways))

    def _spare(self, most: int, now: float) -> int:
        """Return how many of the calls at once are kept free for online work; there is always one for the other."""
        part = int(self._part(most))
        if not self._expects_online(now):
            return 0
        if now >= self._more_until:
            self._more_spare = 0
        return min(self._kept(part) + self._more_spare, part - 1)

    def _kept(self, part: int) -> int:
        least = 2 if part >= _MANY_CALLS else 1
        return max(math.ceil(part * self.settings.headroom), least) if self.settings.headroom else 0

    # -- what changes meanwhile --------------------------------------------------------------------------------------

    def _heed_limits(self, now: float) -> None:
        """Hold low priority work to half of its calls at once after a 429, and to one more with each such round."""
        health = self.health
        if health.limits != self._limits_seen:
            self._limits_seen, self._limited_at = health.limits, now
            if now - self._halved_at > _ROUND_SECONDS:  # those of one round are one sign
                self._halved_at = now
                self._most_background = max(1.0, min(health.in_flight, self._most_background) / 2)
        elif now - self._limited_at > _FORGOTTEN_SECONDS:
            self._most_background = math.inf

    def _heed_use_cases(self) -> None:
        """Take over new weights, and send away what waits for a use case that was retired."""
        for queue in self._queues.values():
            for flow, waiter in queue.flows():
                use_case = self._use_cases.get(waiter.rank.use_case)
                if use_case is None:
                    continue
                queue.weigh(flow, use_case.weight)
                for one in queue.items(flow) if use_case.retired else ():
                    why = f"Use case {use_case.name!r} was retired."
                    self._send_away(one, PermissionDenied(why, code="retired"))

    # -- leaving without a turn --------------------------------------------------------------------------------------

    def _expire(self, waiter: Waiter) -> None:
        self._send_away(waiter, self._refused(waiter.rank, "took too long", "queue_timeout"))

    def _send_away(self, waiter: Waiter, error: WorkbenchError) -> None:
        if not waiter.future.done():
            self._leave(waiter)
            waiter.future.set_exception(error)

    def _leave(self, waiter: Waiter) -> None:
        rank = waiter.rank
        self._queues[rank.band].remove(rank.flow, waiter, member=rank.member)
        self._gone(waiter)

    def _gone(self, waiter: Waiter) -> None:
        self._waiting -= 1
        self.health.waiting -= 1

    def _refused(self, rank: Rank, why: str, code: str, *, after: float | None = None) -> QueueRefused:
        seconds = math.ceil(min(max(1.0, self._until_served(rank) if after is None else after), _LONGEST_RETRY))
        whose = "batch work and exploration" if rank.band == BACKGROUND else "online work"
        return QueueRefused(
            f"{self.health.deployment.label} is short, and the queue of {whose} for it {why}.",
            hint=f"This is the gateway's own queue, not the provider: try again in {seconds} s, or send fewer at once.",
            code=code,
            retry_after=seconds,
        )

    def _until_served(self, rank: Rank) -> float:
        """Return about how long what waits in a flow will take, by what was served in the last minute."""
        queue, limit = self._queues[rank.band], self.health.limit
        served: float = self._window.total(self._clock())
        if rank.band != BACKGROUND:
            served = self._part(limit) if limit is not None else math.inf
        return queue.cost(rank.flow) / max(1.0, served / 60 * (queue.share(rank.flow) or 1.0))
