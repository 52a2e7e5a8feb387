"""All that is counted of one subject: calls and tokens by second, minute and day, calls on their way, money.

Whoever calls a verb here holds the counters' lock, so that one call is counted of all its subjects in one step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from workbench.errors import BudgetExhausted, LimitExceeded
from workbench.gateway.access.limits import Limits
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.bucket import Bucket
from workbench.gateway.admission.calendar import DAY_SECONDS, day_of, turn, until_tomorrow
from workbench.gateway.admission.cells import Counters
from workbench.gateway.admission.leased import LeasedLimits, LeasedMoney
from workbench.gateway.admission.purse import Purse
from workbench.gateway.admission.subject import Terms
from workbench.gateway.admission.window import SECOND, Window
from workbench.gateway.ledger.reports import Spent

OVERRUN = "budget_overrun"
_ALL = 1 << 62
_FAR = 10
"""How many times what is taken at once must be left."""


class Reading(NamedTuple):
    """How one limit stands."""

    limit: str
    """Its name."""
    most: int
    """What it allows; of calls by the second, the burst."""
    left: int
    """How much of it is left."""
    reset: int
    """Nanoseconds until all of it is there again."""


class Lack(NamedTuple):
    """Why a call may not begin."""

    limit: str
    """The limit that it would pass."""
    said: str
    """What the limit is, as people say it."""
    wait: int
    """Nanoseconds after which it may be tried again."""


class Gauge:
    """The counters of a subject that is held to something."""

    __slots__ = (
        "_bucket", "_cells", "_requests", "_share", "_tokens", "_turns_at", "fresh", "money", "purse",
        "shared", "terms",
    )  # fmt: skip

    def __init__(self, terms: Terms, counters: Counters, spent: Spent | None = None) -> None:
        self._share = c.SHARES + c.SHARE * counters.worker
        self.money: LeasedMoney | None = None
        """What of the budget this process may spend, where money is leased."""
        self.shared: LeasedLimits | None = None
        """What of the limits it may use, where replicas share them."""
        now = time.time()
        with counters.lock:
            self._cells, new = counters.row(terms.row)
            self._take(terms, now)
            turn(self._cells, now)
            self.fresh = new
            """Whether nobody counted here before."""
            if new:
                self.purse.add_history(spent or Spent(), now)
                self._cells[c.STOPPED] = int(terms.stopped)
        self._requests = Window(self._cells, c.REQUEST_WINDOW)
        self._tokens = Window(self._cells, c.TOKEN_WINDOW)

    def _take(self, terms: Terms, now: float) -> None:
        self.terms = terms
        self._turns_at = 0.0
        self.purse = Purse(self._cells, terms.budget, terms.raises, now)
        self._bucket = Bucket(self._cells, terms.limits)

    def hold_to(self, terms: Terms, *, go_on: bool = False) -> None:
        """Hold to other terms from now on; what was counted stays.

        With `go_on`, or where the subject was stopped and is no more, a stop is taken away.
        """
        was_stopped = self.terms.stopped
        self._take(terms, time.time())
        self.purse.warn_anew()
        if terms.stopped:
            self._cells[c.STOPPED] = 1
        elif go_on or was_stopped:
            self._cells[c.STOPPED] = 0

    def add_history(self, spent: Spent) -> None:
        """Add what was used before this began to count."""
        now = time.time()
        turn(self._cells, now)
        self.purse.add_history(spent, now)

    @property
    def counts_tokens(self) -> bool:
        """Whether it must know how many tokens are expected of a call."""
        limits = self.terms.limits
        return limits.tokens_per_minute is not None or limits.tokens_per_day is not None

    @property
    def binds_money(self) -> bool:
        """Whether calls are refused for money."""
        return bool(self.purse.caps) and not self.terms.shadow

    @property
    def at_rest(self) -> bool:
        """Whether no call is on its way."""
        return not (self._cells[c.CALLS] or self._cells[c.HELD])

    @property
    def shadow_refusals(self) -> int:
        """How many calls would have been refused."""
        return self._cells[c.SHADOW]

    # -- a call begins -----------------------------------------------------------------------------------------------

    def lack(self, now: int, tokens: int) -> Lack | None:
        """Tell why a call of about `tokens` tokens may not begin now; None: it may. Raises LeaseShort."""
        lack = self._lack_here(now, tokens)
        if lack is not None or self.shared is None or self.terms.shadow:
            return lack
        found = self.shared.lack(self.terms.limits, tokens)
        return None if found is None else Lack(*found)

    def _lack_here(self, now: int, tokens: int) -> Lack | None:
        limits, cells = self.terms.limits, self._cells
        if limits.concurrent is not None and cells[c.CALLS] >= limits.concurrent:
            return Lack("concurrent", f"{limits.concurrent} calls at once", SECOND)
        if limits.requests_per_second is not None and (wait := self._bucket.wait(now)):
            said = f"{limits.requests_per_second:g} calls a second, {self._bucket.burst} at once"
            return Lack("requests_per_second", said, wait)
        most = limits.requests_per_minute
        if most is not None:
            used = self._requests.used(now)
            if used >= most:
                wait = self._requests.wait(now, used + 1 - most)
                return Lack("requests_per_minute", f"{most} calls a minute", wait)
        most = limits.tokens_per_minute
        if most is not None:
            used = self._tokens.used(now)
            # A call that is larger than the limit may go alone: else it never could.
            if used + tokens > most and (used >= most or cells[c.TOKENS]):
                wait = self._tokens.wait(now, used + min(tokens, most) - most)
                return Lack("tokens_per_minute", f"{most} tokens a minute", wait)
        if limits.requests_per_day is None and limits.tokens_per_day is None:
            return None
        return self._lack_today(limits, tokens)

    def _lack_today(self, limits: Limits, tokens: int) -> Lack | None:
        cells, now = self._cells, time.time()
        turn(cells, now)
        most = limits.requests_per_day
        if most is not None and cells[c.REQUESTS_DAY] >= most:
            return Lack("requests_per_day", f"{most} calls a day (UTC)", until_tomorrow(cells, now) * SECOND)
        most = limits.tokens_per_day
        used, expected = cells[c.TOKENS_DAY], cells[c.TOKENS]
        if most is None or used + expected + tokens <= most or not (used or expected):  # a large one may go alone
            return None
        wait = 1 if used + tokens <= most else until_tomorrow(cells, now)
        return Lack("tokens_per_day", f"{most} tokens a day (UTC)", wait * SECOND)

    def has_plenty(self, now: int, *, calls: int, tokens: int, money: int) -> bool:
        """Tell whether many times as much may begin and be held now, and nobody else counts here."""
        limits, cells, far = self.terms.limits, self._cells, _FAR * calls
        if self.shared is not None or self.terms.shadow or cells[c.STOPPED]:
            return False
        if limits.concurrent is not None and cells[c.CALLS] + far > limits.concurrent:
            return False
        if self.purse.caps and not self.reaches_far(money):
            return False
        if any(left < far for _, left in self.requests_left(now)):
            return False
        return all(left >= _FAR * tokens for _, left in self.tokens_left(now))

    def reaches_far(self, money: int) -> bool:
        """Tell whether the budget reaches for many times so much."""
        self._turn()
        return _FAR * money <= self.purse.room()

    def leased(self, need: int) -> int:
        """Return for how many calls that need so much money it is leased."""
        return _ALL if self.money is None or not self.purse.caps else self.money.left // need

    def enter(self, now: int, tokens: int, *, calls: int = 1) -> None:
        """Count a call of about `tokens` tokens that begins, or several; `lack` was asked at the same time."""
        limits, cells = self.terms.limits, self._cells
        if self.shared is not None:
            self.shared.enter(tokens)
        if limits.requests_per_second is not None:
            self._bucket.take(now, calls)
        if limits.requests_per_minute is not None:
            self._requests.add(now, calls)
        self._turn()
        cells[c.REQUESTS_DAY] += calls
        cells[c.CALLS] += calls
        cells[self._share + 1] += calls
        if tokens:
            if limits.tokens_per_minute is None:  # else `lack` has brought the window up to now
                self._tokens.used(now)
            self._tokens.add(now, tokens)
            cells[c.TOKENS] += tokens
            cells[self._share + 2] += tokens

    def give_back(self, calls: int, *, unused: int, began: int, last: int, now: int, day: int) -> None:
        """Let some of the calls not have begun that were counted at `began`, on a day.

        The last of the others began at `last`, and they count as if all of them did. What is held is no part of this.
        """
        limits, cells = self.terms.limits, self._cells
        if limits.requests_per_second is not None:
            self._bucket.correct(calls, begun=calls - unused, last=last)
        if limits.requests_per_minute is not None:
            self._requests.correct(began, now, -unused)
            self._requests.prolong(began, last)
        if limits.tokens_per_minute is not None:
            self._tokens.prolong(began, last)
        if cells[c.DAY] == day:
            cells[c.REQUESTS_DAY] -= unused

    @property
    def day(self) -> int:
        """The day that is counted."""
        return self._cells[c.DAY]

    def cast_shadow(self) -> bool:
        """Count a call that would have been refused; return whether it is the first of the day."""
        cells, today = self._cells, day_of(time.time())
        cells[c.SHADOW] += 1
        first = cells[c.SHADOW_DAY] < today
        if first:
            cells[c.SHADOW_DAY] = today
        return first

    # -- money -------------------------------------------------------------------------------------------------------

    def reaches(self, more: int) -> bool:
        """Tell whether so much more money may be held; raises LeaseShort."""
        if more <= 0 or not self.purse.caps:
            return True
        if time.time() >= self._turns_at:
            self._turn()
        if more > self.purse.room():
            return False
        return self.money is None or self.terms.shadow or self.money.reaches(more)

    def hold(self, more: int, *, need: int | None = None) -> None:
        """Hold more money; `reaches` was asked before. `need` tells how much to lease ahead, where it is not that."""
        self.purse.hold(more, self._share)
        if self.money is not None:
            self.money.hold(more, need=need)

    def room(self) -> tuple[int, int]:
        """Return the money that may be held now, and what could be if nothing else were."""
        self._turn()
        room = self.purse.room()
        if self.money is not None and not self.terms.shadow and not self.money.reaches(room, rest=True):
            room = max(0, self.money.left)
        return room, self.purse.left()

    def charge(self, amount: int, *, held: int = 0) -> None:
        """Book money that no call spends, in the place of what is held for it."""
        self._turn()
        self.purse.hold(-held, self._share)
        self.purse.spend(amount)
        if self.money is not None:
            self.money.settle(held, amount)

    def deposit(self, amount: int) -> None:
        """Go on to hold for a batch what a call held; the lease knows of it."""
        self.purse.hold(-amount, self._share)
        self.purse.deposited += amount

    def withdraw(self, amount: int) -> None:
        """Hold here what was kept for a batch, until it is charged; the lease knows of it."""
        self.purse.hold(amount, self._share)
        self.purse.deposited -= amount

    def catch_up(self, spent: int, *, day: tuple[int, int], month: tuple[int, int]) -> None:
        """Count what others have spent of the same budget: in all, in a day and in a month, with their numbers."""
        self._turn()
        cells = self._cells
        known = ((c.SPENT, 0, 0, spent), (c.SPENT_DAY, cells[c.DAY], *day), (c.SPENT_MONTH, cells[c.MONTH], *month))
        for place, now, of, amount in known:
            if of == now and amount > cells[place]:
                cells[place] = amount

    def _turn(self) -> None:
        now = time.time()
        if now < self._turns_at:
            return
        turn(self._cells, now)
        if now >= self.purse.until:
            self.purse = Purse(self._cells, self.terms.budget, self.terms.raises, now)
        self._turns_at = min(self.purse.until, (self._cells[c.DAY] + 1) * DAY_SECONDS)

    # -- a call ends -------------------------------------------------------------------------------------------------

    def leave(
        self, *, began: int, now: int, expected: int, used: int, held: int, spent: int, calls: int = 1, over: int = 0
    ) -> None:
        """Let a call end, or several: what they used takes the place of what was expected of them.

        `over` is what some of several used more than was expected of them: it counts however late they end.
        """
        cells = self._cells
        cells[c.CALLS] -= calls
        cells[self._share + 1] -= calls
        self._turn()
        if expected:
            cells[c.TOKENS] -= expected
            cells[self._share + 2] -= expected
            self._tokens.correct(began, now, used - expected - over)
            if over:
                self._tokens.correct(began, now, over)
        cells[c.TOKENS_DAY] += used
        self.purse.hold(-held, self._share)
        self.purse.spend(spent)
        if self.money is not None:
            self.money.settle(held, spent)
        if self.shared is not None:
            self.shared.leave(expected, used)

    def stop(self) -> None:
        """Let nothing pass any more."""
        self._cells[c.STOPPED] = 1

    @property
    def stopped(self) -> bool:
        """Whether nothing is let pass."""
        return bool(self._cells[c.STOPPED])

    # -- what is told ------------------------------------------------------------------------------------------------

    def readings(self, now: int) -> Iterator[Reading]:
        """Yield how each limit stands, but for calls at once."""
        for limit, left in [*self.requests_left(now), *self.tokens_left(now)]:
            yield self.reading(limit, left, now)

    def requests_left(self, now: int) -> list[tuple[str, int]]:
        """Return the limits of calls, but for those at once, and what is left of each."""
        limits = self.terms.limits
        left = []
        if limits.requests_per_second is not None:
            left.append(("requests_per_second", self._bucket.left(now)))
        if limits.requests_per_minute is not None:
            left.append(("requests_per_minute", max(0, limits.requests_per_minute - self._requests.used(now))))
        if limits.requests_per_day is not None:
            self._turn()
            left.append(("requests_per_day", max(0, limits.requests_per_day - self._cells[c.REQUESTS_DAY])))
        return left if self.shared is None else self._seen(left)

    def tokens_left(self, now: int) -> list[tuple[str, int]]:
        """Return the limits of tokens, and what is left of each."""
        limits = self.terms.limits
        left = []
        if limits.tokens_per_minute is not None:
            left.append(("tokens_per_minute", max(0, limits.tokens_per_minute - self._tokens.used(now))))
        if limits.tokens_per_day is not None:
            self._turn()
            used = self._cells[c.TOKENS_DAY] + self._cells[c.TOKENS]
            left.append(("tokens_per_day", max(0, limits.tokens_per_day - used)))
        return left if self.shared is None else self._seen(left)

    def _seen(self, left: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Return the same, with what was told last of what all processes leave."""
        assert self.shared is not None
        found = []
        for limit, here in left:
            seen = self.shared.seen(limit)
            found.append((limit, here if seen is None else min(here, seen)))
        return found

    def reading(self, limit: str, left: int, now: int) -> Reading:
        """Return how a limit stands of which so much is left."""
        if limit == "requests_per_second":
            return Reading(limit, self._bucket.burst, left, self._bucket.reset(now))
        most: int = getattr(self.terms.limits, limit)
        if limit == "requests_per_minute":
            reset = self._requests.reset(now)
        elif limit == "tokens_per_minute":
            reset = self._tokens.reset(now)
        else:
            reset = until_tomorrow(self._cells, time.time()) * SECOND
        return Reading(limit, most, left, reset)

    def left(self, now: int) -> dict[str, float]:
        """Return what is left of each limit, and of each part of the budget."""
        told: dict[str, float] = {reading.limit: reading.left for reading in self.readings(now)}
        most = self.terms.limits.concurrent
        if most is not None:
            told["concurrent"] = max(0, most - self._cells[c.CALLS])
        self._turn()
        return {**told, **self.purse.told()}

    def used(self) -> dict[str, float]:
        """Return the money that was spent and is held, in US dollars, and the calls on their way."""
        self._turn()
        cells = self._cells
        return {
            "usd_day": cells[c.SPENT_DAY] / 10**12,
            "usd_month": cells[c.SPENT_MONTH] / 10**12,
            "usd_total": cells[c.SPENT] / 10**12,
            "usd_held": (cells[c.HELD] + cells[c.DEPOSITED]) / 10**12,
            "concurrent": cells[c.CALLS],
        }


def too_much(terms: Terms, lack: Lack) -> LimitExceeded:
    """Return what the caller is told whose call may not begin."""
    seconds = max(1, math.ceil(lack.wait / SECOND))
    return LimitExceeded(
        f"{terms.subject} is held to {lack.said}.",
        hint=f"Wait {seconds} s and send fewer; {terms.remedy(lack.limit)}.",
        retry_after=seconds,
    )


def is_stopped(terms: Terms) -> BudgetExhausted:
    """Return what the caller is told whose key is stopped."""
    return BudgetExhausted(
        f"{terms.subject} is stopped: a provider billed more than was held for a call.",
        hint="The admin must look at its calls and set its budget anew (PATCH /admin/v1/keys/{id}).",
        code=OVERRUN,
    )
