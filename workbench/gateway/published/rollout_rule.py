"""What the figures of a step say: the next step, the way back, or neither yet. Pure; may be asked at any time.

Outcomes and errors are compared by always-valid sequences (`workbench.statistics`), so that looking often makes no
mistake likelier. Each step begins anew, with its part of the plan's risk; guardrails divide it among the windows of
calls, however many there will be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.gateway.published.rollout import RolloutPlan
from workbench.gateway.published.step_calls import StepCalls, Window
from workbench.statistics import ConfidenceSequence, RolloutComparison, compare_rates_anytime

_MOST_USERS = 10_000
"""Outcomes of the smaller side that are looked at within a step; who has not decided by then asks a person."""


@dataclass(frozen=True)
class Verdict:
    """What is to be done."""

    event: Literal["advance", "rollback"] | None
    """The next event; None: go on collecting."""
    reason: str
    """Why, in words."""
    figures: Mapping[str, Any]
    """What was seen, as JSON."""
    is_exhausted: bool = False
    """Whether no further outcome will be looked at, so that a person must decide."""


def decide(
    plan: RolloutPlan, *, weight: float, base: Sequence[float], candidate: Sequence[float], calls: StepCalls
) -> Verdict:
    """Decide on a step in which `weight` percent got the candidate.

    `base` and `candidate` are outcomes, one number a user, in the order in which they were heard of.
    """
    alpha = (1 - plan.confidence) / max(1, len(plan.steps) - 1)
    share = weight / 100
    guards = {
        "errors": _worst(calls, alpha, lambda window, part: _errors(plan, share, part, window)),
        "latency": _worst(calls, alpha, lambda window, part: _median(plan, "latency", part, window)),
        "cost": _worst(calls, alpha, lambda window, part: _median(plan, "cost", part, window)),
    }
    most_base = int(_MOST_USERS * max(1.0, (1 - share) / share))
    most_candidate = int(_MOST_USERS * max(1.0, share / (1 - share)))
    outcomes = compare_rates_anytime(
        candidate[:most_candidate], base[:most_base], weight=share, alpha=alpha, bounds=plan.bounds, unit="user",
        margin=0.0 if plan.rule == "better" else plan.margin * (plan.bounds[1] - plan.bounds[0]),
    )  # fmt: skip
    n = min(len(base), len(candidate))
    if plan.rule == "guardrails":
        n = min(calls.base_n, calls.candidate_n)
    figures: dict[str, Any] = {
        "alpha": alpha,
        "weight": weight,
        "outcomes": _told(outcomes),
        "errors": guards["errors"],
        "latency_ms": guards["latency"],
        "cost_usd": guards["cost"],
        "n": n,
    }
    breached = [f"guardrail on {name}: {each['said']}" for name, each in guards.items() if each and each["breached"]]
    near = [f"guardrail on {name} is near: {each['said']}" for name, each in guards.items() if each and each["near"]]
    if breached:
        return Verdict("rollback", "; ".join(breached), figures)
    if plan.rule != "guardrails" and outcomes.decision == "roll back":
        return Verdict("rollback", f"surely worse: {outcomes}", figures)
    if n < plan.min_n:
        what = "calls" if plan.rule == "guardrails" else "users with an outcome"
        return Verdict(None, f"{n} of {plan.min_n} {what} on each side", figures)
    if near:
        return Verdict(None, "; ".join(near), figures)
    is_exhausted = len(base) >= most_base and len(candidate) >= most_candidate
    return _forward(plan, outcomes, n, figures, is_exhausted=is_exhausted)


def _forward(
    plan: RolloutPlan, outcomes: RolloutComparison, n: int, figures: Mapping[str, Any], *, is_exhausted: bool
) -> Verdict:
    if plan.rule == "guardrails":
        return Verdict("advance", f"the guardrails hold after {n} calls on each side", figures)
    if outcomes.decision == "advance":
        said = "surely better" if plan.rule == "better" else f"surely not worse by more than {outcomes.margin:g}"
        return Verdict("advance", f"{said}: {outcomes}", figures)
    if is_exhausted:
        said = f"{_MOST_USERS} users on a side did not decide it and no more are looked at: advance or abort it by hand"
        return Verdict(None, f"{said}; {outcomes}", figures, is_exhausted=True)
    return Verdict(None, f"not yet sure: {outcomes}", figures)


_Guard = dict[str, Any]


def _worst(calls: StepCalls, alpha: float, look: Callable[[Window, float], _Guard | None]) -> _Guard | None:
    """Return what a guardrail says of a window in which it is breached, else of the older one.

    Window k has alpha / ((k + 1) (k + 2)), which makes alpha in all.
    """
    found = [look(window, alpha / ((window.number + 1) * (window.number + 2))) for window in calls.windows]
    return next((each for each in found if each and each["breached"]), found[0])


def _errors(plan: RolloutPlan, share: float, alpha: float, window: Window) -> _Guard | None:
    if plan.max_error_increase is None:
        return None
    ours, theirs = (np.asarray(side.failed, dtype=np.float64) for side in (window.candidate, window.base))
    found = compare_rates_anytime(
        ours, theirs, weight=share, alpha=alpha, margin=plan.max_error_increase, less_is_better=True, unit="call"
    )
    said = (
        f"{found.candidate_mean:.1%} of {found.candidate_n} calls failed, {found.baseline_mean:.1%} of "
        f"{found.baseline_n} on the other side"
    )
    near = found.difference > plan.max_error_increase
    breached = found.decision == "roll back"
    return {**_told(found), "window": window.number, "breached": breached, "near": near, "said": said}


def _median(plan: RolloutPlan, what: Literal["latency", "cost"], alpha: float, window: Window) -> _Guard | None:
    """Hold the candidate's median against so many times the base's, as it was seen by now."""
    most = plan.max_latency_ratio if what == "latency" else plan.max_cost_ratio
    if most is None:
        return None
    ours, theirs = (
        np.asarray(side.latency_ms if what == "latency" else side.cost_usd) for side in (window.candidate, window.base)
    )
    n = [len(ours), len(theirs)]
    if min(n) < plan.min_calls:
        return {"breached": False, "near": False, "said": "too few calls", "n": n}
    found, usual = float(np.median(ours)), float(np.median(theirs))
    above = ConfidenceSequence((0.0, 1.0), alpha=alpha, null=0.5, unit="call")
    above.observe((ours > most * usual).astype(np.float64))
    return {
        "candidate_median": found,
        "baseline_median": usual,
        "n": n,
        "window": window.number,
        "share_above": above.mean,
        "breached": above.verdict == "above",
        "near": found > most * usual,
        "said": f"the median is {found:.4g} beside {usual:.4g}; {most:g} times are allowed",
    }


def _told(found: RolloutComparison) -> dict[str, Any]:
    names = ("decision", "difference", "low", "high", "candidate_mean", "candidate_n", "baseline_mean", "baseline_n",
             "blocks", "margin", "alpha", "method", "unit")  # fmt: skip
    told = {name: getattr(found, name) for name in names}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in told.items()}
