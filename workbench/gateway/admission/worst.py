"""What a question can cost at worst."""

from __future__ import annotations

from typing import NamedTuple

from workbench.gateway.admission.measured import BySize, Measured, counted
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate
from workbench.wire.usage import Usage

_UNKNOWN_OUTPUT = 131_072
"""Output tokens of an answer, at most, where neither the caller nor the price book says."""


class Worst(NamedTuple):
    """The most that a question can cost, in its parts."""

    prompt_usd: float
    """The prompt, in US dollars."""
    token_usd: float
    """An output token of each answer that is asked for."""
    limit: int
    """Output tokens of an answer."""

    @property
    def usd(self) -> float:
        """Return the sum."""
        return self.prompt_usd + self.limit * self.token_usd

    def closer(self, asked: Measured | BySize, rate: Rate) -> Worst:
        """Return the same for a prompt that is looked at more closely, which takes longer."""
        return self._replace(prompt_usd=min(self.prompt_usd, rate.most(counted(asked))))


def worst(asked: Measured | BySize, most: Usage, known: Entry, rate: Rate) -> Worst:
    """Return the most that a question can cost at a deployment, at a price; `most` is what it uses at most."""
    limit = known.max_output_tokens or known.context_tokens or _UNKNOWN_OUTPUT
    if asked.output_limit is not None:
        limit = min(limit, asked.output_limit)
    return Worst(rate.most(most), rate.dearest_output(most.input_tokens) * max(1, asked.choices), limit)
