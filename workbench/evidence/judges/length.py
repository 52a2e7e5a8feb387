"""The win rate that would be left if both answers were of one length: judges like long answers, people less so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.statistics import Interval, normal_quantile, student_t_quantile

_STEPS = 100
_SLOPE_PRIOR = 0.01
"""Weight of a slope of 0: where length alone decides, the slope has no end otherwise."""
_LEAST_PAIRS = 10


def at_equal_length(
    wins: Sequence[float],
    differences: Sequence[float],
    *,
    clusters: Sequence[Any] | None = None,
    confidence: float = 0.95,
) -> Interval | None:
    """Return the win rate at equal length, or None below 10 pairs.

    `wins` are 1, 0.5 or 0 a pair, `differences` the lengths of `a` less those of `b`. The method is that of
    length-controlled AlpacaEval (Dubois et al. 2024, arXiv 2404.04475): a logistic term in tanh(difference / its
    spread), of which the win rate is what stands at 0. One tie is added, so that no rate is 0 or 1; the interval is
    the wider of the sandwich estimate (by cluster, if given) and the model's own, on the logit scale.
    """
    y, lengths = np.asarray(wins, dtype=np.float64), np.asarray(differences, dtype=np.float64)
    if len(y) < _LEAST_PAIRS:
        return None
    # The spread is taken about 0, not the mean: if all are longer by the same, that is length too.
    spread = math.sqrt(float((lengths**2).mean())) or 1.0
    rows = np.column_stack([np.ones(len(y)), np.tanh(lengths / spread)])
    if np.ptp(rows[:, 1]) == 0 and rows[0, 1] != 0:
        return None  # one difference for all: what is length and what is not can't be told apart
    effects, bread, residuals = _fitted(rows, y)
    scores = rows * residuals[:, None]
    if clusters is not None:
        _, codes = np.unique(np.asarray([str(each) for each in clusters]), return_inverse=True)
        scores = np.stack([np.bincount(codes, scores[:, column]) for column in (0, 1)], axis=1)
    units = len(scores)
    meat = scores.T @ scores * units / max(1, units - 2)
    variance = max(float((bread @ meat @ bread)[0, 0]), float(bread[0, 0]))
    probability = (1 + confidence) / 2
    quantile = student_t_quantile(probability, units - 2) if units > 2 else normal_quantile(probability)
    half = quantile * math.sqrt(variance)
    middle = float(effects[0])
    return Interval(
        _share(middle), _share(middle - half), _share(middle + half), len(y), "logistic at equal length, sandwich"
    )


def _fitted(
    rows: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the effects, the inverse of the information, and the residuals of the logistic fit by Newton's steps."""
    effects = np.zeros(2)
    prior = np.diag([0.0, _SLOPE_PRIOR])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(rows @ effects)))
        base = 1 / (1 + math.exp(-effects[0]))
        gradient = rows.T @ (y - p) - prior @ effects
        gradient[0] += 0.5 - base  # the added tie
        information = rows.T @ (rows * (p * (1 - p))[:, None]) + prior
        information[0, 0] += base * (1 - base)
        step = np.linalg.solve(information, gradient)
        effects += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return effects, np.asarray(np.linalg.inv(information)), y - 1 / (1 + np.exp(-(rows @ effects)))


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
