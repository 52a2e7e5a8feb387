"""The invoices of simulated providers: a line for each provider, model, tier and day."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from workbench.simulator.billing.price_list import prices_of
from workbench.simulator.billing.used import Tier, Used


class Line(msgspec.Struct, kw_only=True):
    """One line."""

    provider: str
    """Whose invoice it is on: openai azure anthropic gemini vertex bedrock ollama."""
    model: str
    """The provider's name of the model."""
    tier: Tier
    """By which column of the price list."""
    date: str
    """Day, UTC."""
    requests: int = 0
    """How many answers it sums."""
    usd: float = 0.0
    """US dollars."""


class Invoice:
    """All that was charged since the last `clear`."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, Tier, str], Line] = {}

    def charge(self, provider: str, model: str, used: Iterable[Used]) -> None:
        """Charge an answer."""
        date = datetime.now(UTC).date().isoformat()
        for one in used:
            name = one.model or model
            line = self._lines.setdefault(
                (provider, name, one.tier, date), Line(provider=provider, model=name, tier=one.tier, date=date)
            )
            line.requests += 1
            line.usd += prices_of(name).charge(one)

    def lines(self, provider: str | None = None) -> list[Line]:
        """Return the lines, of one provider or of all."""
        return [line for line in self._lines.values() if provider in (None, line.provider)]

    def clear(self) -> None:
        """Forget what was charged."""
        self._lines.clear()


def written(lines: list[Line]) -> str:
    """Return lines as CSV, in the columns of an export."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("date", "provider", "model", "tier", "requests", "cost_usd", "currency"))
    rows.writerows(
        (one.date, one.provider, one.model, one.tier, one.requests, f"{one.usd:.12f}", "USD") for one in lines
    )
    return text.getvalue()
