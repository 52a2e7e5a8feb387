"""What is read from a result: the baseline that is meant, examples worth a look, failures, plans, volumes, pictures."""

import math

import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Score, scorer
from workbench.experiments import Candidate, run
from workbench.wire.usage import Usage


class Answer:
    def __init__(self, text, latency_ms=100.0, cost_usd=0.0):
        self.text, self.latency_ms, self.cost_usd, self.usage = text, latency_ms, cost_usd, Usage(1000, 100)


def trial(rules, scorers, *, count=12, cost_usd=0.0, rows=None, repeats=1):
    rows = rows or [{"id": f"e{i}", "inputs": {"q": i}} for i in range(count)]
    candidates = [
        Candidate(name, call=lambda inputs, rule=rule: Answer(str(rule(inputs["q"])), cost_usd=cost_usd))
        for name, rule in rules.items()
    ]
    return run(
        "looked at",
        candidates,
        Dataset.from_rows(rows),
        [scorer(function, name=name, bounds=bounds) for name, (function, bounds) in scorers.items()],
        repeats=repeats,
        track=False,
        progress=False,
    )


def grade(output, example):
    return float(output.text)


GRADE = {"grade": (grade, (0.0, 1.0))}


def test_the_baseline_or_the_metric_is_named_first():
    result = trial({"low": lambda q: 0, "high": lambda q: 1}, GRADE)
    assert result.compare("high").loc["low", "verdict"] == "worse"
    assert result.compare("latency_ms").loc["high", "metric"] == "latency_ms"
    assert result.compare("high", metric="latency_ms").loc["low", "baseline"] == "high"
    with pytest.raises(InvalidInput, match="candidates: 'low', 'high'"):
        result.compare("medium")
    with pytest.raises(InvalidInput, match="is a second"):
        result.compare("high", baseline="low")


def test_a_word_that_is_a_candidate_and_a_metric_is_not_guessed():
    result = trial({"grade": lambda q: 0, "other": lambda q: 1}, GRADE)
    with pytest.raises(InvalidInput, match=r"baseline='grade' or metric='grade'"):
        result.compare("grade")
    assert result.compare(baseline="grade").loc["other", "verdict"] == "better"


def test_examples_of_one_group_are_one_cluster():
    rows = [{"id": f"e{i}", "inputs": {"q": i}, "group": f"g{i // 6}"} for i in range(24)]
    alike = trial({"low": lambda q: 0, "high": lambda q: int(q // 6 < 3)}, GRADE, rows=rows)
    alone = trial({"low": lambda q: 0, "high": lambda q: int(q // 6 < 3)}, GRADE, count=24)
    row, single = alike.table().loc["high"], alone.table().loc["high"]
    assert (row["score.grade.n"], row["score.grade.unit"], row["score.grade.units"]) == (24, "group", 4)
    assert row["score.grade.low"] < single["score.grade.low"] - 0.1
    compared = alike.compare().loc["high"]
    assert (compared["unit"], compared["units"], compared["verdict"]) == ("group", 4, "not distinguishable")
    assert alone.compare().loc["high", "verdict"] == "better"
    assert "n=24 in 4 groups" in repr(alike)


def test_examples_on_which_candidates_differ_most_come_first():
    result = trial({"flat": lambda q: 0.5, "steep": lambda q: {2: 1.0, 7: 0.3}.get(q, 0.5)}, GRADE)
    found = result.disagreements()
    assert found[["example_id", "best", "worst"]].to_numpy().tolist() == [
        ["e2", "steep", "flat"],
        ["e7", "flat", "steep"],
    ]
    assert found["spread"].tolist() == pytest.approx([0.5, 0.2])
    assert len(result.disagreements(1)) == 1


def test_scorers_that_say_different_things_of_one_answer_are_found():
    def strict(output, example):
        return 0.0 if example.inputs["q"] == 3 else float(output.text)

    result = trial({"one": lambda q: 0.9}, {**GRADE, "strict": (strict, (0.0, 1.0))})
    found = result.disagreements()
    assert found["example_id"].tolist() == ["e3"]
    assert (found["scorer_spread"][0], found["scorer_candidate"][0]) == (pytest.approx(0.9), "one")


def test_failures_are_calls_without_an_answer_and_answers_without_a_score():
    def rule(q):
        if q == 4:
            raise ValueError("gone")
        return q

    def moody(output, example):
        return Score(None, "no mood") if example.inputs["q"] == 6 else 1.0

    found = trial({"a": rule}, {"mood": (moody, (0.0, 1.0))}).failures()
    assert found[["example_id", "what", "why"]].to_numpy().tolist() == [
        ["e4", "call", "ValueError: gone"],
        ["e6", "mood", "no mood"],
    ]


def test_a_million_calls_are_priced_on_each_listed_model():
    found = trial({"a": lambda q: 1}, GRADE).cost_at(prices={"dear": (10, 30), "cheap": (0.1, 0.4)})
    assert found["model"].tolist() == ["cheap", "dear"]
    assert found["usd"].tolist() == pytest.approx([140, 13_000])
    assert found[["n", "unit"]].to_numpy().tolist() == [[12, "example"]] * 2

    class Catalogue:
        def models(self, **wish):
            import pandas as pd

            assert wish == {"task": "chat"}
            nan = math.nan
            rows = [("dear", 10.0, 30.0, nan), ("local", 0.0, 0.0, nan), ("none", nan, nan, nan), ("flat", 0, 0, 0.002)]
            return pd.DataFrame(rows, columns=["model", "price.input", "price.output", "price.call"])

    listed = trial({"a": lambda q: 1}, GRADE).cost_at(2_000_000, gateway=Catalogue())
    assert (listed["model"].tolist(), listed["usd"].tolist()) == (["flat", "dear"], pytest.approx([4_000, 26_000]))


def test_a_volume_without_a_price_is_told():
    with pytest.raises(InvalidInput, match="No chat model with a price"):
        trial({"a": lambda q: 1}, GRADE).cost_at(prices={})


def test_a_pilot_tells_rows_and_dollars_of_the_next_experiment():
    rules = {"low": lambda q: int(q % 4 == 0), "high": lambda q: int(q % 4 < 3)}
    small = trial(rules, GRADE, count=40, cost_usd=0.01).plan(0.2)
    assert (small.design, small.calls, small.usd) == ("binary pairs", 2 * small.rows, pytest.approx(0.02 * small.rows))
    assert trial(rules, GRADE, count=40, cost_usd=0.01).plan(0.1).rows > 3 * small.rows
    with pytest.raises(InvalidInput, match="do not differ"):
        trial({"a": lambda q: 1, "b": lambda q: 1}, GRADE).plan(0.1)


def test_a_pilot_in_groups_counts_how_alike_their_examples_are():
    def rows(size):
        return [{"id": f"e{i}", "inputs": {"q": i}, "group": f"g{i // size}"} for i in range(40)]

    rules = {"low": lambda q: 0, "high": lambda q: int(q // 4 % 2 == 0)}
    alone, alike = (trial(rules, GRADE, rows=rows(size)).plan(0.2) for size in (1, 4))
    assert alike.rows == pytest.approx(4 * alone.rows, abs=4)  # four of one group tell as much as one
    assert "groups of 4 examples with an intraclass correlation of 1" in alike.assumed[-1]
    assert "examples are independent" in trial(rules, GRADE, rows=rows(40)).plan(0.2).assumed[-1]
    steady = trial({"low": lambda q: 0, "high": lambda q: 0.8 if q // 4 % 2 else 0.2}, GRADE, rows=rows(4), repeats=2)
    assert steady.plan(0.2).rows == pytest.approx(steady.plan(0.2, repeats=2).rows, abs=1)


def test_a_candidate_that_is_always_right_can_be_planned_with():
    found = trial({"a": lambda q: 1}, GRADE).plan(0.1)
    assert found.rows == trial({"a": lambda q: 0}, GRADE).plan(0.1).rows > 0


@pytest.mark.parametrize(("kind", "cost", "title"), [
    ("cost", 0.01, "grade (n=12)"),
    ("cost", 0.0, "a million calls like these, by model"),
    ("latency", 0.01, "latency"),
    ("volume", 0.01, "a million calls like these, by model"),
])  # fmt: skip
def test_each_kind_of_picture_is_drawn(kind, cost, title):
    result = trial({"a$": lambda q: q % 2, "b": lambda q: 1}, GRADE, cost_usd=cost)
    figure = result.plot(kind, prices={"dear": (10, 30)})
    assert figure.axes[0].get_title() == title
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_an_unknown_kind_of_picture_is_told_with_the_known_ones():
    result = trial({"a": lambda q: 1}, GRADE)
    with pytest.raises(InvalidInput, match="intervals, cost, latency, volume"):
        result.plot(kind="pie")


def test_less_of_a_scorer_may_be_better():
    words = scorer(lambda output, example: float(len(output.text)), name="words", bounds=None)
    from dataclasses import replace

    result = run(
        "less",
        [Candidate("long", call=lambda inputs: "x" * 50), Candidate("short", call=lambda inputs: "x" * 5)],
        [{"inputs": {"q": i}} for i in range(12)],
        [replace(words, less_is_better=True)],
        track=False,
        progress=False,
    )
    assert result.compare().loc["short", "verdict"] == "better"
    assert result.disagreements().iloc[0]["best"] == "short"


def test_what_is_not_in_mlflow_has_no_link_for_raters():
    with pytest.raises(InvalidInput, match="not in MLflow"):
        trial({"a": lambda q: 1}, GRADE).share()
