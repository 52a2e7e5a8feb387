"""One request that is always open at the gateway and is answered when a prompt was changed: a thread for a process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.client.prompt_loader import Get

_WAIT_SECONDS = 20
"""How long the gateway keeps the request; below the lease, so that silence confirms."""
_MARGIN_SECONDS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_TOO_SOON = 0.2


class PromptWatch:
    """Begins with the first prompt that is loaded, and goes on until it is closed."""

    def __init__(self, get: Get, heard: Callable[[int, frozenset[str] | None], None]) -> None:
        """Ask by `get`, and call `heard` with how far the record goes and what was changed; None: anything."""
        self._get = get
        self._heard = heard
        self._after: int | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def begin(self, seq: int) -> None:
        """Watch for what comes after a record, unless it is watched already; after a fork, the child does so anew."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._after = seq if self._after is None else self._after
            self._thread = threading.Thread(target=self._run, name="prompts", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End; a request that is open may outlive this for a moment."""
        self._closing.set()

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            asked = time.monotonic()
            try:
                news = self._look()
            except Exception:  # noqa: BLE001 - without the thread nobody would hear of changes; the lease still holds
                failures += 1
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**failures)
                self._closing.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that not all come back at once
                continue
            failures = 0
            if not news and time.monotonic() - asked < _TOO_SOON:  # a gateway that ends lets nobody wait
                self._closing.wait(_FIRST_PAUSE)

    def _look(self) -> bool:
        """Wait for news and pass it on; return whether there was any."""
        after = self._after or 0
        query = {"after": str(after), "wait": str(_WAIT_SECONDS)}
        answer = self._get("/v1/prompts/changes", query, within=_WAIT_SECONDS + _MARGIN_SECONDS, retries=0)
        seq, changed = int(answer["seq"]), frozenset(answer["changed"])
        # A record that is shorter than it was is another one: it was restored.
        self._heard(seq, None if seq < after else changed)
        self._after = seq
        return bool(changed)
