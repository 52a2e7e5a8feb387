"""What the rows that are still to be asked will cost, by the tokens of those that were and the catalogue's prices."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from workbench.experiments.cell import Answer, Job

if TYPE_CHECKING:
    from workbench.client import Gateway

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a model takes, in US dollars per million tokens."""

    input: float
    """Of a prompt."""
    output: float
    """Of an answer."""


@dataclass(frozen=True)
class Estimate:
    """What is expected of the rows that are still to be asked."""

    rows: int
    """How many they are."""
    usd: float | None
    """What all of them will cost; None if nobody knows."""

    @property
    def usd_a_row(self) -> float:
        """What one of them will cost; 0 if nobody knows."""
        return self.usd / self.rows if self.usd and self.rows else 0.0


def price_of(model: str, gateway: Gateway) -> Price | None:
    """Return a model's price as the catalogue tells it, or None where it tells none."""
    models = gateway.models()
    if "price.input" not in models:
        return None
    for _, row in models[models["model"] == model].iterrows():
        price = Price(float(row["price.input"]), float(row["price.output"]))
        return None if math.isnan(price.input) else price
    return None


def estimate(answered: Sequence[tuple[Job, Answer]], missing: Sequence[Job], price: Price | None) -> Estimate:
    """Return what the missing rows will cost.

    Their input tokens follow from how much text they hold, at the tokens per character of those that were answered;
    their output tokens are those others' mean. Without a price in the catalogue the mean cost of the others counts.
    """
    sample = [(job, answer) for job, answer in answered if answer.usage is not None]
    if not missing or (price is not None and not price.input and not price.output):
        return Estimate(len(missing), 0.0)
    if price is None:
        costs = [answer.cost_usd for _, answer in answered if answer.cost_usd is not None]
        return Estimate(len(missing), fmean(costs) * len(missing) if costs else None)
    if not sample:
        return Estimate(len(missing), None)
    density = sum(a.usage.input_tokens for _, a in sample if a.usage) / sum(_characters(job) for job, _ in sample)
    read = density * sum(_characters(job) for job in missing)
    written = fmean(a.usage.output_tokens for _, a in sample if a.usage) * len(missing)
    return Estimate(len(missing), (read * price.input + written * price.output) / _MILLION)


def _characters(job: Job) -> int:
    return len(json.dumps(job.candidate.messages(job.example.inputs), ensure_ascii=False))
