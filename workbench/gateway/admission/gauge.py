"""All that is counted of one key: calls and tokens in the last minute, calls on their way, money."""

from __future__ import annotations

import math

from workbench.errors import BudgetExhausted, LimitExceeded
from workbench.gateway.access.keys import Key
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.cells import Counters
from workbench.gateway.admission.purse import Purse
from workbench.gateway.admission.window import SECOND, Window
from workbench.gateway.ledger.reports import Spent

OVERRUN = "budget_overrun"
_OF_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_OF_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")
_Header = tuple[bytes, bytes]


class Gauge:
    """The counters of a key that is held to something. Each verb is one step that nothing comes between."""

    __slots__ = ("_cells", "_lock", "_requests", "_share", "_tokens", "key", "purse")

    def __init__(self, key: Key, counters: Counters, spent: Spent | None = None) -> None:
        self._lock = counters.lock
        self._share = c.SHARES + c.SHARE * counters.worker
        self.key = key
        with self._lock:
            self._cells, new = counters.row(key.id)
            self.purse = Purse(self._cells, key.budget)
            if new:
                self.purse.begin(spent or Spent())
                self._cells[c.STOPPED] = int(key.stopped is not None)
        self._requests = Window(self._cells, c.REQUEST_WINDOW)
        self._tokens = Window(self._cells, c.TOKEN_WINDOW)

    def hold_to(self, key: Key, *, go_on: bool = False) -> None:
        """Hold to the key's limits and budget as they are now; what was counted stays.

        With `go_on`, or where the key was stopped and is no more, a stop is taken away.
        """
        was_stopped = self.key.stopped is not None
        self.key = key
        self.purse = Purse(self._cells, key.budget)
        with self._lock:
            if key.stopped is not None:
                self._cells[c.STOPPED] = 1
            elif go_on or was_stopped:
                self._cells[c.STOPPED] = 0

    def enter(self, now: int, tokens: int) -> None:
        """Let a call of about `tokens` tokens begin, or raise LimitExceeded."""
        limits, cells = self.key.limits, self._cells
        with self._lock:
            if cells[c.STOPPED]:
                raise _stopped(self.key)
            if limits.concurrent is not None and cells[c.CALLS] >= limits.concurrent:
                raise _too_much(self.key, "concurrent", f"{limits.concurrent} calls at once", SECOND)
            most = limits.requests_per_minute
            if most is not None:
                used = self._requests.used(now)
                if used >= most:
                    wait = self._requests.wait(now, used + 1 - most)
                    raise _too_much(self.key, "requests_per_minute", f"{most} calls a minute", wait)
            self._admit_tokens(now, tokens)
            if most is not None:
                self._requests.add(now, 1)
            cells[c.CALLS] += 1
            cells[self._share + 1] += 1

    def _admit_tokens(self, now: int, tokens: int) -> None:
        most, cells = self.key.limits.tokens_per_minute, self._cells
        if most is None:
            return
        used = self._tokens.used(now)
        # A call that is larger than the limit may go alone: else it never could.
        if used + tokens > most and (used >= most or cells[c.TOKENS]):
            wait = self._tokens.wait(now, used + min(tokens, most) - most)
            raise _too_much(self.key, "tokens_per_minute", f"{most} tokens a minute", wait)
        self._tokens.add(now, tokens)
        cells[c.TOKENS] += tokens
        cells[self._share + 2] += tokens

    def hold(self, amount: int) -> bool:
        """Hold money; return whether the budget had room for it. Less than nothing gives back."""
        with self._lock:
            self.purse.turn()
            if amount > 0 and amount > self.purse.room():
                return False
            self.purse.hold(amount, self._share)
            return True

    def room(self) -> tuple[int, int]:
        """Return the money that may be held now, and what could be if nothing else were."""
        with self._lock:
            self.purse.turn()
            return self.purse.room(), self.purse.left()

    def leave(self, *, began: int, now: int, expected: int, used: int, held: int, spent: int, overrun: bool) -> None:
        """Let a call end: what it used takes the place of what was expected of it."""
        cells = self._cells
        with self._lock:
            cells[c.CALLS] -= 1
            cells[self._share + 1] -= 1
            if expected:
                cells[c.TOKENS] -= expected
                cells[self._share + 2] -= expected
                self._tokens.correct(began, now, used - expected)
            self.purse.turn()
            self.purse.hold(-held, self._share)
            self.purse.spend(spent)
            if overrun:
                cells[c.STOPPED] = 1

    def headers(self, now: int) -> list[_Header]:
        """Return `x-ratelimit-*` of the limits that the key has."""
        told: list[_Header] = []
        limits = self.key.limits
        with self._lock:
            if limits.requests_per_minute is not None:
                told += _headers(_OF_REQUESTS, limits.requests_per_minute, self._requests, now)
            if limits.tokens_per_minute is not None:
                told += _headers(_OF_TOKENS, limits.tokens_per_minute, self._tokens, now)
        return told

    def left(self, now: int) -> dict[str, float]:
        """Return what is left of each limit, and of each part of the budget."""
        limits = self.key.limits
        told: dict[str, float] = {}
        with self._lock:
            if limits.requests_per_minute is not None:
                told["requests_per_minute"] = max(0, limits.requests_per_minute - self._requests.used(now))
            if limits.tokens_per_minute is not None:
                told["tokens_per_minute"] = max(0, limits.tokens_per_minute - self._tokens.used(now))
            if limits.concurrent is not None:
                told["concurrent"] = max(0, limits.concurrent - self._cells[c.CALLS])
            self.purse.turn()
            return {**told, **self.purse.told(self.key.budget)}


def _headers(names: tuple[bytes, bytes, bytes], limit: int, window: Window, now: int) -> list[_Header]:
    remaining = max(0, limit - window.used(now))
    return [
        (names[0], b"%d" % limit),
        (names[1], b"%d" % remaining),
        (names[2], b"%ds" % -(-window.reset(now) // SECOND)),
    ]


def _too_much(key: Key, limit: str, said: str, wait: int) -> LimitExceeded:
    seconds = max(1, math.ceil(wait / SECOND))
    return LimitExceeded(
        f"Key {key.id} may make {said}.",
        hint=f"Wait {seconds} s and send fewer; the admin may raise {limit}.",
        retry_after=seconds,
    )


def _stopped(key: Key) -> BudgetExhausted:
    return BudgetExhausted(
        f"Key {key.id} is stopped: a provider billed more than was held for a call.",
        hint="The admin must look at its calls and set its budget anew (PATCH /admin/v1/keys/{id}).",
        code=OVERRUN,
    )
