"""A client for scorers that embed, which sends nothing more once what is left of the budget would be passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.client.models import dollars
from workbench.errors import BudgetExhausted, PriceUnknown
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.calls.sending import ChatClient


class Embedding:
    """Stands before a client; what a call can cost at most, its bytes as tokens, counts as spent."""

    def __init__(self, gateway: ChatClient, catalogue: Catalogue | None, *, usd: float) -> None:
        self._gateway = gateway
        self._catalogue = catalogue
        self._left = usd
        self.spent = 0.0
        """US dollars that count against the budget."""

    def embed(self, texts: Sequence[str], *, model: str) -> Any:
        """Return one row of numbers a text; raises BudgetExhausted and PriceUnknown before anything is sent."""
        listed = self._catalogue.of(model) if self._catalogue is not None else None
        if listed is None or listed.price is None:
            raise PriceUnknown(f"not sent: nobody knows the price of {model!r}, so budget_usd can't be kept.")
        worst = listed.price.of(sum(len(text.encode("utf-8", "surrogatepass")) for text in texts), 0)
        if worst > self._left:
            raise BudgetExhausted(
                f"not sent: {dollars(max(0.0, self._left))} of the budget are left, and embedding can cost"
                f" {dollars(worst)}",
                code="budget_usd",
            )
        self._left -= worst
        self.spent += worst
        return self._gateway.embed(texts, model=model)
