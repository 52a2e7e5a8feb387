"""All gates of a gateway: one before each deployment of which something may run out, made when it is first met."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from workbench.gateway.access.keys import Key
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.gateway.fairness.gate import Gate, Waiter
from workbench.gateway.fairness.guarantees import Guarantees
from workbench.gateway.fairness.rank import BACKGROUND, rank_of
from workbench.gateway.routing.deployment_health import Hold
from workbench.settings.fairness import FairnessSettings

_FEW = 1000


class Turn:
    """A call that waits for its turn."""

    __slots__ = ("_gate", "_waiter")

    def __init__(self, gate: Gate, waiter: Waiter) -> None:
        self._gate = gate
        self._waiter = waiter

    async def wait(self, *, left: float) -> None:
        """Wait until it is there, at most `left` seconds or as the settings say; raises QueueRefused."""
        settings = self._gate.settings
        most = settings.batch_wait if self._waiter.rank.band == BACKGROUND else settings.online_wait
        await self._gate.wait(self._waiter, at_most=min(most, left))


class Fairness:
    """Decides who goes on at once; works per process."""

    def __init__(
        self,
        use_cases: UseCaseTable,
        settings: Callable[[], FairnessSettings],
        *,
        workers: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with no gate; `workers` are the processes of this gateway, each of which has its part of a quota."""
        self._use_cases = use_cases
        self._settings = settings
        self._clock = clock
        self._workers = workers
        self._guarantees = Guarantees()
        self._gates: dict[str, Gate] = {}

    def enter(self, hold: Hold, key: Key, *, batch: bool) -> Turn | None:
        """Let a try go on (None), or let it wait for its turn; raises QueueRefused where it can't even wait."""
        health = hold.health
        gate = self._gates.get(health.deployment.id)
        if gate is None:
            if not health.bounded:
                return None
            gate = self._make(hold)
        settings = self._settings()
        if gate.health is not health or gate.settings is not settings:
            gate.describe(health, settings)
        rank = rank_of(key, self._use_cases.get(key.use_case), batch=batch, settings=settings)
        waiter = gate.enter(hold, rank)
        return None if waiter is None else Turn(gate, waiter)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn in this process."""
        return sum(gate.waiting for gate in self._gates.values())

    def spare(self, key: Key, *, batch: bool) -> float:
        """Return the share of a deployment that a call must leave free, to prefer one that has more to give."""
        background = batch or key.kind == "exploration"
        return self._settings().headroom if background and self._use_cases.has_online else 0.0

    def _make(self, hold: Hold) -> Gate:
        if len(self._gates) >= _FEW:  # names may come from callers
            self._gates = {name: gate for name, gate in self._gates.items() if not gate.idle}
        gate = self._gates[hold.health.deployment.id] = Gate(
            hold.health, self._settings(), use_cases=self._use_cases, guarantees=self._guarantees,
            clock=self._clock, workers=self._workers,
        )  # fmt: skip
        return gate
