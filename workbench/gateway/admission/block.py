"""A block of calls: what several that follow one another need, taken of all their subjects at once."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.admission.purse import Threshold
from workbench.gateway.admission.rate_headers import Tightest, tightest
from workbench.gateway.admission.subject import Terms
from workbench.gateway.admission.window import SECOND

LIFE = 50_000_000
"""Nanoseconds after which no call begins of a block."""


class Block:
    """What was taken and no call has, and what is to be booked of calls that have ended.

    Its calls are counted as on their way from the beginning. So whatever is not booked yet is held.
    """

    __slots__ = (
        "_day", "_given", "bounded", "calls", "ended", "expected", "gauges", "held", "is_open", "last", "listed",
        "money", "over", "place", "place_tokens", "places", "provider", "since", "spent", "tight", "tokens", "until",
        "used",
    )  # fmt: skip

    def __init__(
        self, gauges: tuple[Gauge, ...], place: tuple[Gauge, ...], provider: str, now: int, *,
        calls: int, tokens: int, money: int, need: int,
    ) -> None:  # fmt: skip
        """Take it of gauges that have plenty; `need` tells how much money to lease ahead. The lock is held."""
        self.gauges = gauges
        """What holds its calls."""
        self.place = place
        """The last ones of them: what holds the provider."""
        self.provider = provider
        """Who is to answer."""
        self.bounded = any(gauge.purse.caps for gauge in gauges)
        """Whether any of them has a budget."""
        self.since = now
        """When its calls count as begun, in nanoseconds of the monotonic clock."""
        self.until = min(now + LIFE, (now // SECOND + 1) * SECOND)
        """From when on no call begins of it; limits by the minute count by the second."""
        self.last = now
        """When the last call began of it, or went to the provider."""
        self._given = calls
        self.calls = calls
        """Calls that may begin."""
        self.tokens = tokens
        """Tokens that may be expected of them."""
        self.money = money
        """Picodollars that may be held for them."""
        self.places, self.place_tokens = calls, tokens
        """Calls that may go to the provider, where something holds it, and tokens that may be expected of them."""
        self.ended = self.expected = self.used = self.over = self.held = self.spent = 0
        self.is_open = self.listed = True
        """Whether calls may begin of it; whether something of it is to be booked."""
        for gauge in gauges:
            gauge.enter(now, tokens, calls=calls)
            if money:
                gauge.hold(money, need=need)
        self._day = gauges[0].day
        self.tight: Tightest = tightest(gauges, now)
        """The limits that leave the least, beside what the block may still take."""

    @property
    def taken(self) -> int:
        """Return how many calls have begun of it."""
        return self._given - self.calls

    def follows(self, other: Block) -> bool:
        """Tell whether this one was taken of the same gauges just after another: what is held there is the same."""
        return self.since - other.since < SECOND and self.gauges == other.gauges

    def end(self, *, expected: int, used: int, held: int, spent: int) -> None:
        """Let a call end; it is booked with the others."""
        self.ended += 1
        self.expected += expected
        self.used += used
        if used > expected:
            self.over += used - expected
        self.held += held
        self.spent += spent

    def book(self, now: int) -> Iterator[tuple[Terms, Threshold]]:
        """Book what has ended and give back what no call took: from here on no call begins of it. The lock is held.

        Yields the thresholds that were passed.
        """
        money = self.money
        ended, expected, used, held, spent = self.ended, self.expected, self.used, self.held, self.spent
        over = self.over
        at_desk, at_place = (self.calls, self.tokens), (self.places, self.place_tokens)
        was_open, given = self.is_open, self._given
        self._given -= self.calls
        self.calls = self.tokens = self.places = self.place_tokens = self.money = 0
        self.ended = self.expected = self.used = self.over = self.held = self.spent = 0
        self.is_open = self.listed = False
        desk = len(self.gauges) - len(self.place)
        for number, gauge in enumerate(self.gauges):
            unused, tokens = at_desk if number < desk else at_place
            if was_open:
                gauge.give_back(given, unused=unused, began=self.since, last=self.last, now=now, day=self._day)
            gauge.leave(
                began=self.since, now=now, expected=expected + tokens, used=used, held=held + money, spent=spent,
                calls=ended + unused, over=over,
            )  # fmt: skip
            if spent and gauge.purse.nears_a_threshold and gauge.binds_money:
                for threshold in gauge.purse.warnings():
                    yield gauge.terms, threshold
