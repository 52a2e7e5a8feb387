"""Whether a call may start now: the one desk where calls, tokens and money of each key are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic_ns

from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS
from workbench.gateway.admission.cells import Counters, OwnCounters
from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.admission.measured import Measured, Sized
from workbench.gateway.admission.ticket import FREE, HeldTicket, Ticket
from workbench.gateway.ledger.reports import Spent

_FEW = 1000


class Admission:
    """The gauges of all keys that are held to something; other keys pass at the cost of one look."""

    def __init__(self, keys: KeyTable, counters: Counters | None = None) -> None:
        self._keys = keys
        self._counters = counters or OwnCounters()
        self._gauges: dict[str, Gauge] = {}
        self._prune_at = _FEW

    def load(self, keys: Iterable[Key], spent: Mapping[str, Spent]) -> None:
        """Hold keys to their limits, with what they have spent so far."""
        for key in keys:
            self.hold_to(key, spent=spent.get(key.id))

    def hold_to(self, key: Key, *, spent: Spent | None = None, go_on: bool = False) -> None:
        """Hold a key to its limits and budget as they are now.

        `spent` is what the ledger has of a key that was held to nothing before; what is counted already stays. With
        `go_on` the admin lets a key go on that was stopped.
        """
        gauge = self._gauges.get(key.id)
        if gauge is not None:
            gauge.hold_to(key, go_on=go_on)
        elif is_held(key):
            self._gauges[key.id] = Gauge(key, self._counters, spent)
            if len(self._gauges) >= self._prune_at:
                self._prune()
                self._prune_at = max(_FEW, 2 * len(self._gauges))

    def admit(self, key: Key, question: Measured | Sized) -> Ticket:
        """Let a call begin; raises LimitExceeded, which says when to come back."""
        gauge = self._gauges.get(key.id)
        return FREE if gauge is None else HeldTicket(gauge, question)

    def headers(self, key: Key) -> list[tuple[bytes, bytes]]:
        """Return the `x-ratelimit-*` headers of a key."""
        gauge = self._gauges.get(key.id)
        return [] if gauge is None else gauge.headers(monotonic_ns())

    def left(self, key: Key) -> dict[str, float]:
        """Return what is left of each limit and of each part of the budget."""
        gauge = self._gauges.get(key.id)
        return {} if gauge is None else gauge.left(monotonic_ns())

    def _prune(self) -> None:
        for key_id in list(self._gauges):
            key = self._keys.get(key_id)
            if key is None or key.dead_since(self._keys.now()) is not None:
                del self._gauges[key_id]
                with self._counters.lock:
                    self._counters.forget(key_id)


def is_held(key: Key) -> bool:
    """Tell whether a key is held to anything."""
    return key.limits != NO_LIMITS or key.budget != NO_BUDGET
