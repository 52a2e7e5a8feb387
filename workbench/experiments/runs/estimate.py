"""What calls that are still to be made will cost, by the tokens of those that were and the catalogue's prices."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from workbench.experiments.calls.call import USUAL_OUTPUT, most_read
from workbench.experiments.cells.cell import Answer, Job
from workbench.experiments.cells.price import Price
from workbench.statistics import mean_interval

_CHARACTERS_A_TOKEN = 4.0


@dataclass(frozen=True)
class Estimate:
    """What is expected of the rows that are still to be asked."""

    rows: int
    """How many they are."""
    usd: float | None
    """What all of them will cost; None if nobody knows."""
    low: float | None = None
    """Lower end of its 95% interval; None if nobody knows."""
    high: float | None = None
    """Upper end; without answers to learn from, what all of them can cost at most."""
    input_tokens: float | None = None
    """Tokens of their prompts; None if nobody knows."""
    output_tokens: float | None = None
    """Tokens of their answers; None if nobody knows."""

    @property
    def usd_a_row(self) -> float:
        """What one of them will cost; 0 if nobody knows."""
        return self.usd / self.rows if self.usd and self.rows else 0.0


def estimate(
    answered: Sequence[tuple[Job, Answer]],
    missing: Sequence[Job],
    price: Price | None,
    *,
    most_output: int | None = None,
) -> Estimate:
    """Return what the missing rows will cost.

    Their input tokens follow from how much text they hold, at the tokens per character of those that were answered;
    their output tokens are those others' mean, and the interval is that of a sum of so many new rows. Without a price
    the mean cost of the others counts. Without answers nobody knows, unless `most_output`, the most tokens of an
    answer, is told: four characters are then taken for a token, 256 tokens for an answer, and the interval goes from
    prompts without an answer to the longest answers that there can be, at a byte a token.
    """
    sample = [(job, answer.usage) for job, answer in answered if answer.usage is not None]
    count = len(missing)
    if not missing:
        return Estimate(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if price is None:
        costs = [answer.cost_usd for _, answer in answered if answer.cost_usd is not None]
        usd = fmean(costs) * count if costs else None
        return Estimate(count, usd, *_around(usd, costs, count))
    size = sum(characters(job) for job in missing)
    if sample:
        density = sum(usage.input_tokens for _, usage in sample) / sum(characters(job) for job, _ in sample)
        read, written = density * size, fmean(usage.output_tokens for _, usage in sample) * count
        usd = price.of(read, written) + price.call * (count - 1)
        costs = [price.of(usage.input_tokens, usage.output_tokens) for _, usage in sample]
        return Estimate(count, usd, *_around(usd, costs, count), read, written)
    if most_output is None:
        free = not price.input and not price.output and not price.call
        return Estimate(count, 0.0, 0.0, 0.0) if free else Estimate(count, None)
    read, written = size / _CHARACTERS_A_TOKEN, float(min(USUAL_OUTPUT, most_output)) * count
    calls = price.call * (count - 1)
    return Estimate(
        count,
        price.of(read, written) + calls,
        price.of(read / 2, 0) + calls,
        price.of(sum(most_input(job) for job in missing), most_output * count) + calls,
        read,
        written,
    )


def characters(job: Job) -> int:
    """Return how many characters a job's messages take."""
    return len(json.dumps(job.candidate.messages(job.example.inputs), ensure_ascii=False))


def most_input(job: Job) -> int:
    """Return the most tokens that a job's call can read, as a budget counts them."""
    return most_read(job.candidate.messages(job.example.inputs), job.candidate.arguments)


def _around(usd: float | None, costs: Sequence[float], count: int) -> tuple[float | None, float | None]:
    """Return the ends of the interval of the sum of `count` new costs: Student's, for a sum that is yet to come."""
    if usd is None or len(costs) < 2:
        return None, None
    mean = mean_interval(np.array(costs), bounds=None)
    half = (mean.high - mean.low) / 2 * count * math.sqrt(1 + len(costs) / count)
    return max(0.0, usd - half), usd + half
