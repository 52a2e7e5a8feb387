"""When the next call to one model may begin, as all processes of a user on a home agree on it.

What answers tell of limits stands in one small file a model, changed under a lock that the system takes back from a
process that dies. Where little is left, calls are spaced, and whoever has begun the fewest goes first.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

from workbench.client.limits import Allowance, RateLimits

_SCARCE = 0.2
"""Share of a limit below which calls are spaced."""
_GONE_SECONDS = 3.0
"""Silence after which a process is taken to wait no more."""
_TURN_SECONDS = 0.05
"""How soon a process that is not the next one looks again."""
_LONGEST_LOOK = 0.5
"""How long it sleeps at most before it looks again: what others are told counts for it too."""
_LONGEST_WAIT = 600.0
"""Seconds: a time that lies further ahead is none that a limit of calls a minute would tell; the clock was changed."""


class Pace:
    """The pace of one model at one gateway."""

    def __init__(self, home: Path, gateway: str, model: str, *, clock: Callable[[], float] = time.time) -> None:
        self.path = home / "limits" / f"{sha256(f'{gateway} {model}'.encode()).hexdigest()[:24]}.json"
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._me = f"{os.getpid()}-{id(self):x}"
        self._clock = clock

    def take(self, tokens: float = 0.0) -> float:
        """Begin a call of about so many tokens; return 0 if it may begin, else the seconds after which to ask again."""
        with self._shared() as state:
            now = self._clock()
            wait = self._wait(state, tokens, now)
            others = self._others(state, now)
            # Who comes later does not first catch up with what the others began before.
            least = min((told["begun"] for told in state["processes"].values()), default=0)
            mine = state["processes"].setdefault(self._me, {"begun": least, "seen": now})
            mine["seen"] = now
            if wait == 0 and others and mine["begun"] > min(others.values()) and _is_scarce(state, now):
                wait = _TURN_SECONDS
            mine["waits"] = wait > 0
            if wait == 0:
                mine["begun"] += 1
                for kind, amount in (("requests", 1.0), ("tokens", tokens)):
                    if (known := state.get(kind)) is not None:
                        known["left"] = max(0.0, known["left"] - amount)
                        known["next"] = now + known["reset"] / max(known["limit"], 1.0) * max(amount, 1.0)
            return min(float(wait), _LONGEST_LOOK)

    def told(self, limits: RateLimits) -> None:
        """Learn what an answer told."""
        with self._shared() as state:
            now = self._clock()
            for kind in ("requests", "tokens"):
                allowance: Allowance | None = getattr(limits, kind)
                if allowance is None:
                    state.pop(kind, None)
                    continue
                known = state.get(kind) or {"next": 0.0}
                state[kind] = {
                    "limit": allowance.limit,
                    "left": allowance.remaining,
                    "reset": allowance.reset,
                    "until": now + allowance.reset,
                    "next": known["next"],
                }

    def refused(self, seconds: float) -> None:
        """Learn that a call was refused, and after how long the next one may begin."""
        with self._shared() as state:
            state["blocked"] = max(state["blocked"], self._clock() + seconds)
            for kind in ("requests", "tokens"):
                if (known := state.get(kind)) is not None:
                    known["next"] = min(known["next"], state["blocked"])

    def leave(self) -> None:
        """Wait for nothing more."""
        with self._shared() as state:
            state["processes"].pop(self._me, None)

    def _wait(self, state: dict[str, Any], tokens: float, now: float) -> float:
        if not now - 1 <= state["blocked"] <= now + _LONGEST_WAIT:
            state["blocked"] = 0.0
        waits: list[float] = [state["blocked"] - now]
        for kind, amount in (("requests", 1.0), ("tokens", tokens)):
            known = state.get(kind)
            if known is None:
                continue
            if not now < known["until"] <= now + _LONGEST_WAIT:  # all of it is there again
                del state[kind]
                continue
            # A limit that is smaller than the guess can't wait for more than all of it.
            if known["left"] < max(min(amount, known["limit"]), _SCARCE * known["limit"]):
                waits.append(min(known["next"], known["until"]) - now)
        return max(0.0, *waits)

    def _others(self, state: dict[str, Any], now: float) -> dict[str, int]:
        """Return how many calls each other process has begun that waits now."""
        processes: dict[str, dict[str, Any]] = state["processes"]
        for name in [name for name, told in processes.items() if not 0 <= now - told["seen"] < _GONE_SECONDS]:
            del processes[name]
        return {name: told["begun"] for name, told in processes.items() if name != self._me and told.get("waits")}

    @contextlib.contextmanager
    def _shared(self) -> Iterator[dict[str, Any]]:
        """Yield what all know, to be changed, while nobody else reads or changes it."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
            state = _read(os.read(file, 65_536))
            yield state
            text = json.dumps(state).encode()
            os.pwrite(file, text, 0)
            os.ftruncate(file, len(text))
        finally:
            os.close(file)  # and the lock with it


def _is_scarce(state: dict[str, Any], now: float) -> bool:
    known = [state[kind] for kind in ("requests", "tokens") if kind in state]
    return now - state["blocked"] < 1.0 or any(one["left"] < _SCARCE * one["limit"] for one in known)


def _read(text: bytes) -> dict[str, Any]:
    """Read the file; what a process that was killed left half-written counts as nothing known."""
    try:
        state: dict[str, Any] = json.loads(text)
        return {"blocked": float(state["blocked"]), "processes": dict(state["processes"])} | {
            kind: state[kind] for kind in ("requests", "tokens") if kind in state
        }
    except (ValueError, KeyError, TypeError):
        return {"blocked": 0.0, "processes": {}}
