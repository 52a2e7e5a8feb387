"""A gateway's client that sends nothing more once an amount of money would be passed."""

from __future__ import annotations

import threading
from typing import Any

from workbench.client.models import dollars
from workbench.errors import LimitExceeded
from workbench.experiments.calls.sending import ChatClient


class Purse:
    """Stands before a client and counts what its answers cost, and what is expected of those on their way."""

    def __init__(self, gateway: ChatClient, *, max_usd: float, spent: float, expected: float) -> None:
        self._gateway = gateway
        self._most = max_usd
        self._spent = spent
        self._expected = expected
        self._under_way = 0
        self._lock = threading.Lock()

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        """Ask, unless that would pass the amount; raises LimitExceeded then."""
        with self._lock:
            if self._spent + (self._under_way + 1) * self._expected > self._most:
                raise LimitExceeded(f"not sent: max_usd is {dollars(self._most)}", code="max_usd")
            self._under_way += 1
        cost = self._expected
        try:
            result = self._gateway.chat(prompt, model=model, tags=tags, **parameters)
            cost = self._expected if result.cost_usd is None else result.cost_usd
            return result
        finally:
            with self._lock:
                self._under_way -= 1
                self._spent += cost  # a call that failed may have been charged: it counts as one that did not

    def embed(self, texts: Any, *, model: str) -> Any:
        """Pass it on: rows are only asked."""
        return self._gateway.embed(texts, model=model)
