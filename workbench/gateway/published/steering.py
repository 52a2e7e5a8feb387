"""Rollouts that go on by themselves: one process of all looks at what runs, and writes each step into the record.

Each gateway copies the calls of what runs from its ledger to where that process sees them. While nothing is rolled out
it costs nothing; a look never takes more than a twentieth of a core.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, Unavailable, WorkbenchError
from workbench.gateway.access.identity import Identity
from workbench.gateway.leading import LEASE_SECONDS, Leadership, new_holder
from workbench.gateway.notices import Notice
from workbench.gateway.published.outcomes import StepOutcomes
from workbench.gateway.published.rollout import RULE, Rollout
from workbench.gateway.published.step_calls import StepCalls
from workbench.gateway.times import utc_text

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts
    from workbench.gateway.published.rollout_rule import Verdict

_log = logging.getLogger("workbench.gateway.published")

LOOK_SECONDS = 1.0
_SPARING = 20
_MOST_CALLS = 5_000
"""Calls that one look copies, and that it reads of each rollout; where there are more, the next look goes on."""
_KEPT_SECONDS = 7 * 86_400.0
"""How long the copied calls of a rollout that has ended are kept, for those who still rate them."""
_PRUNE_SECONDS = 3600.0
_IDENTITY = Identity(RULE, source="gateway")


class Steering:
    """Looks after the rollouts of a gateway."""

    def __init__(self, gateway: Parts, *, worker: int | None = None) -> None:
        """Serve a gateway; of several workers, who share a ledger, the first one copies its calls."""
        self._gateway = gateway
        self._copies = worker in (None, 0)
        self._leading = Leadership(gateway.state, "rollouts")
        self._holder = new_holder()
        self._spent = 0.0
        """Seconds of CPU that the looks of this round took."""
        self._leader = False
        self._ask_at = 0.0
        self._prune_at = 0.0
        self._served: list[Rollout] = []
        self._place = 0
        """How far the ledger was copied."""
        self._steps: dict[str, _Step] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Look from now on."""
        self._gateway.published.chain.listeners.append(self._news.set)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more, and let another process."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._leader:
            with suppress(Unavailable):
                await asyncio.to_thread(self._leading.give_back, self._holder)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            idle = False
            try:
                idle = not await self.look()
            except WorkbenchError as error:
                _log.warning("rollouts were not looked after: %s", error)
            except Exception:  # noqa: BLE001 - the next look may go well
                _log.exception("rollouts were not looked after")
            if idle:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _PRUNE_SECONDS)
            else:
                await asyncio.sleep(max(LOOK_SECONDS, _SPARING * self._spent))

    async def look(self) -> bool:
        """Look once at all that is rolled out; return whether anything is."""
        self._spent = 0.0
        served = self._gateway.rollouts.all_served()
        if self._copies:
            await asyncio.to_thread(self._copy, served)
        self._steps = {each.id: step for each in served if (step := self._steps.get(each.id)) is not None}
        if served and await self._leads():
            for rollout in served:
                await self._look(rollout)
        return bool(served)

    async def _leads(self) -> bool:
        """Return whether this process is the one that steers, which is asked for anew long before it may end."""
        now = time.monotonic()
        if now >= self._ask_at:
            self._leader = await asyncio.to_thread(self._leading.take, self._holder)
            self._ask_at = now + LEASE_SECONDS / 3
        return self._leader

    def _copy(self, served: Sequence[Rollout]) -> None:
        """Copy this gateway's calls of what is rolled out, or was at the last look. Blocks."""
        gateway = self._gateway
        rollouts = {each.id: each for each in (*self._served, *served)}.values()
        with self._counted():
            if rollouts:
                since = min(each.events[0]["at"] for each in rollouts)
                calls, place = gateway.reports.rollout_calls(since=since, after=self._place, most=_MOST_CALLS)
                gateway.rollout_calls.keep(calls, rollouts, ledger=gateway.spool.id)
                self._place = place
            self._served = list(served)
            if time.monotonic() >= self._prune_at:
                gateway.rollout_calls.prune(before=utc_text(time.time() - _KEPT_SECONDS), but=served)
                self._prune_at = time.monotonic() + _PRUNE_SECONDS

    async def _look(self, rollout: Rollout) -> None:
        if rollout.state == "complete":  # whoever completed it was killed before it was published
            with suppress(Conflict):
                await self._gateway.rollouts.publish(rollout, _IDENTITY)
            return
        step = self._steps.get(rollout.id)
        if step is None or step.seq != rollout.since["seq"]:
            step = self._steps[rollout.id] = _Step(rollout)
        verdict = await asyncio.to_thread(self._decide, rollout, step)
        if verdict is None:
            return
        reference = f"{rollout.name}@{rollout.alias}"
        if verdict.event is not None and rollout.state == "running":
            await self._steer(rollout, reference, verdict)
        elif verdict.is_exhausted and not step.is_exhausted:
            step.is_exhausted = True
            self._tell(rollout, f"{reference} needs a person", verdict.reason, of=f"{step.seq} exhausted")
        step.decided = step.seen(rollout)  # only now: what could not be written is decided again

    async def _steer(self, rollout: Rollout, reference: str, verdict: Verdict) -> None:
        assert verdict.event is not None
        seen = rollout.events[-1]["seq"]
        with suppress(Conflict):  # a person was faster
            after = await self._gateway.rollouts.steer(
                reference, verdict.event, _IDENTITY, reason=verdict.reason, figures=verdict.figures, seen=seen
            )
            self._tell(after, f"{reference}: {after.events[-1]['body']['event']}", verdict.reason, of=str(seen))

    def _tell(self, rollout: Rollout, what: str, why: str, *, of: str) -> None:
        text = f"Rollout {rollout.id} of {what}; {why}."
        reference = f"{rollout.name}@{rollout.alias}"
        told = {"rollout": rollout.id, "reference": reference, "state": rollout.state, "weight": rollout.weight}
        self._gateway.notices.tell(Notice("rollout", f"rollout {rollout.id} {of}", text, told))

    def _decide(self, rollout: Rollout, step: _Step) -> Verdict | None:
        """Return what the figures say, None where there are no new ones, or more to be read. Blocks."""
        with self._counted():
            calls = self._gateway.rollout_calls.of_step(rollout, after=step.last_call, most=_MOST_CALLS)
            step.take(calls)
            if len(calls) == _MOST_CALLS:
                return None
            book = self._gateway.outcomes
            book.catch_up(step.outcomes)
            if step.decided == step.seen(rollout):
                return None
            # Only a gateway that rolls something out loads numpy.
            from workbench.gateway.published.rollout_rule import decide  # noqa: PLC0415

            outcomes = step.outcomes.told()
            verdict = decide(
                rollout.plan, weight=rollout.weight, base=outcomes.values[rollout.alias],
                candidate=outcomes.values[rollout.candidate_arm], calls=step.calls,
            )  # fmt: skip
            excluded = {"excluded": outcomes.excluded} if any(outcomes.excluded.values()) else {}
            book.keep_look(rollout.id, {"said": verdict.reason, "figures": {**verdict.figures, **excluded}})
            return verdict

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count what the thread takes meanwhile."""
        began = time.thread_time()
        try:
            yield
        finally:
            self._spent += time.thread_time() - began


class _Step:
    """What was read of one step, bit by bit."""

    def __init__(self, rollout: Rollout) -> None:
        self.seq = rollout.since["seq"]
        self.calls = StepCalls(rollout.weight)
        self.outcomes = StepOutcomes(rollout)
        self.last_call = 0
        self.decided: tuple[int, ...] | None = None
        """What had been seen when it was last decided on."""
        self.is_exhausted = False
        self._candidate = rollout.candidate_arm

    def take(self, calls: Sequence[dict[str, Any]]) -> None:
        """Take calls that follow those before."""
        for call in calls:
            self.calls.add(call, is_candidate=call["arm"] == self._candidate)
        if calls:
            self.last_call = calls[-1]["seq"]

    def seen(self, rollout: Rollout) -> tuple[int, ...]:
        """Return what tells whether there is anything new."""
        return (rollout.events[-1]["seq"], self.last_call, self.outcomes.last, len(self.outcomes.rows))
