"""What admission lets somebody hear of: a budget that nears its end, an overrun, what a new limit would refuse."""

from __future__ import annotations

import logging

from workbench.gateway.admission.purse import Threshold
from workbench.gateway.admission.subject import Terms
from workbench.gateway.notices import Notice, Notices
from workbench.gateway.times import utc_now
from workbench.wire.money import usd_text

_log = logging.getLogger("workbench.gateway.admission")
_PERIODS = {"usd_per_day": 10, "usd_per_month": 7, "usd_total": 0}
"""How much of a time of the ledger names the period."""


class Teller:
    """Makes notices; each names its occasion, so that it is delivered once however many processes tell of it."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def threshold(self, terms: Terms, passed: Threshold) -> None:
        """Tell that a part of a budget is spent."""
        period = utc_now()[: _PERIODS[passed.name]]
        subject = terms.subject
        how = "is used up" if passed.percent >= 100 else f"is spent to {passed.percent} %"
        if passed.percent >= 100 and passed.spent < passed.cap:
            how = "does not reach for a call any more"
        text = (
            f"The budget of {subject.lower()}{f' for {period}' if period else ''} {how}: "
            f"{usd_text(passed.spent)} of {usd_text(passed.cap)} are spent."
        )
        self._tell(
            "budget", f"{terms.row} {passed.name} {period} {passed.cap:g} {passed.percent}", text, terms,
            part=passed.name, percent=passed.percent, cap_usd=passed.cap, spent_usd=passed.spent, period=period or None,
        )  # fmt: skip

    def overrun(self, key_id: str, *, cost_usd: float, held_usd: float) -> None:
        """Tell that a provider billed more than was held, so that a key is stopped."""
        text = f"Key {key_id} is stopped: a call cost {cost_usd:.6f} USD, held were {held_usd:.6f} USD."
        _log.warning("%s", text)
        details = {"key_id": key_id, "cost_usd": cost_usd, "held_usd": held_usd}
        self._notices.tell(Notice("budget_overrun", f"overrun {key_id} {utc_now()}", text, details))

    def shadow(self, terms: Terms, limit: str) -> None:
        """Tell that a limit in shadow mode would have refused a call, the first one of the day."""
        text = f"The limit {limit} of {terms.subject.lower()} is in shadow mode: it would have refused a call."
        _log.warning("%s", text)
        self._tell("limit_shadow", f"{terms.row} {utc_now()[:10]}", text, terms, limit=limit)

    def _tell(self, kind: str, once: str, text: str, terms: Terms, **details: object) -> None:
        subject = {"subject": terms.subject.kind, "name": terms.subject.name, "rule": terms.rule}
        self._notices.tell(Notice(kind, f"{kind} {once}", text, {**subject, **details}))
