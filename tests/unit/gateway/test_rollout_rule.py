"""What a rollout's rule decides by outcomes, guardrails and numbers, and how often it errs though asked often."""

import json
import random
from typing import Any, NamedTuple

import pytest

from workbench.gateway.published.rollout import RolloutPlan
from workbench.gateway.published.rollout_rule import Verdict
from workbench.gateway.published.rollout_rule import decide as decide_step
from workbench.gateway.published.step_calls import StepCalls

CALLS = 40


class Side(NamedTuple):
    """What one side of a step did."""

    outcomes: list[float]
    calls: list[dict[str, object]]


def call(*, failed: bool = False, latency: float = 100.0, cost: float = 1e-4) -> dict[str, object]:
    return {"failed": failed, "latency_ms": None if failed else latency, "cost_usd": None if failed else cost}


def side(
    outcomes: list[float], *, failed: int = 0, calls: int = CALLS, latency: float = 100.0, cost: float = 1e-4
) -> Side:
    return Side(outcomes, [call(failed=n < failed, latency=latency, cost=cost) for n in range(calls)])


def decide(plan: RolloutPlan, *, weight: float, base: Side, candidate: Side) -> Verdict:
    calls = StepCalls(weight)
    for number in range(max(len(base.calls), len(candidate.calls))):
        for each in (base, candidate):
            if number < len(each.calls):
                calls.add(each.calls[number], is_candidate=each is candidate)
    return decide_step(plan, weight=weight, base=base.outcomes, candidate=candidate.outcomes, calls=calls)


def outcomes(chance: float, n: int, seed: int) -> list[float]:
    draw = random.Random(seed)
    return [float(draw.random() < chance) for _ in range(n)]


def plan(**fields: object) -> RolloutPlan:
    return RolloutPlan(**{"min_n": 20, **fields})  # type: ignore[arg-type]


def test_a_candidate_that_is_surely_better_advances_and_the_worse_one_goes_back() -> None:
    good, bad = outcomes(0.9, 300, 1), outcomes(0.4, 300, 2)
    forward = decide(plan(rule="better"), weight=50, base=side(bad), candidate=side(good))
    assert forward.event == "advance"
    assert forward.reason.startswith("surely better")
    back = decide(plan(), weight=50, base=side(good), candidate=side(bad))
    assert back.event == "rollback"
    assert back.reason.startswith("surely worse")
    json.dumps(back.figures, allow_nan=False)
    assert (back.figures["outcomes"]["candidate_n"], back.figures["outcomes"]["unit"]) == (300, "user")


def test_too_few_users_decide_nothing_however_clear() -> None:
    early = decide(plan(min_n=50), weight=50, base=side([0.0] * 49), candidate=side([1.0] * 49))
    assert (early.event, early.reason) == (None, "49 of 50 users with an outcome on each side")
    assert decide(plan(), weight=10, base=side([]), candidate=side([])).event is None


def test_alike_sides_advance_only_with_a_margin() -> None:
    alike = side(outcomes(0.8, 600, 3)), side(outcomes(0.8, 600, 4))
    assert decide(plan(margin=0.2), weight=50, base=alike[0], candidate=alike[1]).event == "advance"
    assert decide(plan(rule="better"), weight=50, base=alike[0], candidate=alike[1]).event is None


def test_grades_are_held_within_their_own_range() -> None:
    stars = {"bounds": (1.0, 5.0), "margin": 0.25}
    good, bad = [5.0, 4.0] * 150, [2.0, 1.0] * 150
    assert decide(plan(**stars), weight=50, base=side(good), candidate=side(good)).event == "advance"
    assert decide(plan(**stars), weight=50, base=side(good), candidate=side(bad)).event == "rollback"


@pytest.mark.parametrize(
    ("worse", "name"),
    [({"failed": 30, "calls": 60}, "errors"), ({"latency": 250.0}, "latency"), ({"cost": 4e-4}, "cost")],
)
def test_a_breached_guardrail_goes_back_however_good_the_outcomes(worse: dict[str, Any], name: str) -> None:
    good = outcomes(0.9, 300, 5)
    verdict = decide(plan(), weight=50, base=side([0.0] * 300, calls=60), candidate=side(good, **worse))
    assert verdict.event == "rollback"
    assert verdict.reason.startswith(f"guardrail on {name}")
    off = {"max_error_increase": None, "max_latency_ratio": None, "max_cost_ratio": None}
    assert decide(plan(**off), weight=50, base=side([0.0] * 300), candidate=side(good, **worse)).event == "advance"


def test_a_guardrail_that_is_near_holds_a_step_back() -> None:
    good = side(outcomes(0.9, 300, 5), failed=2)
    verdict = decide(plan(), weight=50, base=side([0.0] * 300), candidate=good)
    assert verdict.event is None
    assert verdict.reason.startswith("guardrail on errors is near")


def test_guardrails_alone_need_calls_and_no_outcomes() -> None:
    alone = plan(rule="guardrails", min_n=CALLS)
    assert decide(alone, weight=10, base=side([]), candidate=side([])).event == "advance"
    assert decide(alone, weight=10, base=side([]), candidate=side([], calls=CALLS - 1)).event is None


def test_alike_sides_rarely_go_back_though_every_outcome_is_looked_at() -> None:
    """The sequences' own tests show their risk; here, that a step asks for its part of it."""
    back = 0
    for seed in range(40):
        ours, theirs = outcomes(0.6, 120, 1000 + seed), outcomes(0.6, 120, 5000 + seed)
        looks = (
            decide(plan(margin=0.0), weight=50, base=side(theirs[:n], calls=1), candidate=side(ours[:n], calls=1)).event
            for n in range(40, 121, 40)
        )
        back += "rollback" in looks
    assert back <= 2


@pytest.mark.parametrize("worse", [{"failed": True}, {"latency": 500.0}, {"cost": 1e-3}])
def test_a_candidate_that_gets_worse_after_many_good_calls_is_taken_back(worse: dict[str, Any]) -> None:
    late = plan(rule="better", confidence=0.8)
    calls, draw = StepCalls(10), random.Random(7)
    for number in range(60_000):
        is_candidate = draw.random() < 0.1
        calls.add(call(**(worse if is_candidate and number > 40_000 else {})), is_candidate=is_candidate)
    verdict = decide_step(late, weight=10, base=[], candidate=[], calls=calls)
    assert verdict.event == "rollback"
    assert verdict.figures["n"] == 0
    assert (calls.base_n + calls.candidate_n, len(calls.windows)) == (60_000, 2)


def test_windows_of_alike_sides_rarely_go_back() -> None:
    back, draw = 0, random.Random(11)
    for _ in range(5):
        calls = StepCalls(50)
        for number in range(20_000):
            calls.add(call(failed=draw.random() < 0.05), is_candidate=draw.random() < 0.5)
            if number % 1000 == 0 and decide_step(plan(), weight=50, base=[], candidate=[], calls=calls).event:
                back += 1
                break
    assert back == 0


def test_a_step_that_no_outcome_can_decide_any_more_asks_a_person() -> None:
    draw = random.Random(3)
    base, candidate = ([float(draw.random() < 0.5) for _ in range(n)] for n in (30_000, 10_000))
    calls = side([]).calls
    step = StepCalls(25)
    for each in calls:
        step.add(each, is_candidate=True)
        step.add(each, is_candidate=False)
    told = decide_step(plan(rule="better"), weight=25, base=base, candidate=candidate, calls=step)
    assert (told.event, told.is_exhausted) == (None, True)
    assert "by hand" in told.reason
    before = decide_step(plan(rule="better"), weight=25, base=base, candidate=candidate[:-1], calls=step)
    assert (before.event, before.is_exhausted) == (None, False)
