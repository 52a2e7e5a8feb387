"""Results: the table, comparisons, plots and pages."""

import json
import math

import pandas as pd
import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Score, exact_match, scorer
from workbench.experiments import Candidate, run
from workbench.experiments.results.experiment import MIME

DATA = Dataset.from_rows([{"id": f"e{i}", "inputs": {"q": i}} for i in range(14)], name="fourteen")


def made(rules, *, data=DATA, repeats=1, name="made", result_of=lambda grade: str(float(grade))):
    """Run callables that answer the score that a rule gives for an example's number."""
    return run(
        name,
        [
            Candidate(label, call=lambda inputs, rule=rule: result_of(rule(inputs["q"])))
            for label, rule in rules.items()
        ],
        data,
        [scorer(lambda output, example: float(output.text), name="grade")],
        repeats=repeats,
        track=False,
        progress=False,
    )


def test_comparison_is_paired_with_the_first_candidate_by_default():
    result = made({"low": lambda q: q % 2, "high": lambda q: 1, "same": lambda q: q % 2})
    table = result.compare()
    assert list(table.index) == ["high", "same"]
    high = table.loc["high"]
    assert (high["metric"], high["baseline"], high["mean"], high["baseline_mean"]) == ("grade", "low", 1.0, 0.5)
    assert (high["difference"], high["n"], high["verdict"]) == (0.5, 14, "better")
    assert table.loc["same", "verdict"] == "not distinguishable"


def test_verdict_turns_with_the_baseline():
    result = made({"low": lambda q: 0, "high": lambda q: 1})
    assert result.compare(baseline="high").loc["low", "verdict"] == "worse"


def test_p_values_of_several_comparisons_are_adjusted():
    alone = made({"low": lambda q: 0, "high": lambda q: q < 6})
    beside = made({"low": lambda q: 0, "high": lambda q: q < 6, "third": lambda q: 0, "fourth": lambda q: 0})
    one = alone.compare().loc["high"]
    many = beside.compare().loc["high"]
    assert many["p_value"] == pytest.approx(3 * one["p_value"])
    assert (one["verdict"], many["verdict"]) == ("better", "better")
    # One discordant pair less, and only the lone comparison is still sure.
    assert made({"low": lambda q: 0, "high": lambda q: q < 5}).compare().loc["high", "verdict"] == "better"
    crowd = made({"low": lambda q: 0, "high": lambda q: q < 5, "third": lambda q: 0})
    assert crowd.compare().loc["high", "verdict"] == "not distinguishable"


def test_repeats_of_an_example_are_one_observation():
    result = made({"low": lambda q: 0, "high": lambda q: q < 3}, repeats=5)
    row = result.compare().loc["high"]
    assert (row["n"], row["verdict"]) == (14, "not distinguishable")
    assert result.table().loc["high", "n"] == 70
    assert result.table().loc["high", "score.grade.n"] == 14


def test_an_example_that_one_side_failed_is_left_out_of_the_pair():
    def fails(q):
        if q in (3, 4):
            raise ValueError("no")
        return 1

    row = made({"low": lambda q: 0, "high": fails}).compare().loc["high"]
    assert (row["n"], row["excluded"], row["baseline_mean"]) == (12, 2, 0)


def test_candidates_without_a_common_example_are_not_compared():
    def only(numbers):
        def rule(q):
            if q not in numbers:
                raise ValueError("no")
            return 1

        return rule

    row = made({"a": only({0, 1}), "b": only({2, 3})}).compare().loc["b"]
    assert (row["n"], row["verdict"]) == (0, "not distinguishable")
    assert math.isnan(row["difference"])


def test_less_latency_is_better():
    def answer(milliseconds):
        class Result:
            text, latency_ms = "1", milliseconds

        return Result()

    result = made({"slow": lambda q: 900 + q, "fast": lambda q: 100 + q}, result_of=answer)
    row = result.compare("latency_ms").loc["fast"]
    assert (row["difference"], row["verdict"]) == (-800, "better")
    assert result.table().loc["slow", "latency_ms_p50"] == pytest.approx(906.5)


def test_unknown_names_are_told_with_the_known_ones():
    result = made({"low": lambda q: 0, "high": lambda q: 1})
    with pytest.raises(InvalidInput, match=r"Known: grade, latency_ms"):
        result.compare("beauty")
    with pytest.raises(InvalidInput, match="'low', 'high'"):
        result.compare(baseline="medium")
    with pytest.raises(InvalidInput, match="Known: grade"):
        result.plot("beauty")


def test_an_unknown_cost_is_not_zero():
    table = made({"a": lambda q: 1}).table()
    assert math.isnan(table.loc["a", "cost_usd"])
    assert "unknown" in repr(made({"a": lambda q: 1}))


def test_every_mean_stands_with_its_interval():
    row = made({"a": lambda q: q % 2}).table().loc["a"]
    assert 0.2 < row["score.grade.low"] < row["score.grade"] < row["score.grade.high"] < 0.8


NASTY = "<img src=x onerror=alert(1)>"


def test_html_escapes_names_and_text_needs_no_widgets():
    result = made({NASTY: lambda q: 0, "b": lambda q: 1}, name=NASTY)
    html = result._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html
    assert "b against <img" in repr(result)
    assert "better" in repr(result)


def test_a_program_reads_the_result_from_the_notebook():
    def half(q):
        if q > 12:
            raise ValueError("no")
        return 0

    result = made({"low": half, "high": lambda q: 1})
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", MIME}
    read = json.loads(json.dumps(bundle[MIME], allow_nan=False))
    assert read["experiment_id"] == result.experiment_id
    assert read["dataset"] == {"name": "fourteen", "hash": DATA.hash, "n": 14}
    low, high = read["candidates"]
    assert (low["failed"], high["scores"]["grade"]["mean"], high["cost_usd"]) == (1, 1.0, None)
    (comparison,) = read["comparisons"]
    assert (comparison["candidate"], comparison["verdict"], comparison["n"]) == ("high", "better", 13)


def test_plot_has_a_panel_a_metric_and_a_row_a_candidate():
    figure = made({"a$": lambda q: q % 2, "b": lambda q: 1}).plot()
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [r"a\$", "b"]
    assert "grade (n=14)" in axis.get_title()
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_plot_survives_a_candidate_without_scores():
    def none(output, example):
        return Score(None, "no") if output.text == "x" else 1.0

    result = run(
        "trial",
        [Candidate("x", call=lambda inputs: "x"), Candidate("y", call=lambda inputs: "y")],
        DATA,
        [scorer(none), exact_match()],
        track=False,
        progress=False,
    )
    assert "no score" in {text.get_text() for text in result.plot("none").axes[0].texts}
    assert result.table()["score.exact_match"].isna().all()
    assert "none" in repr(result)


def test_cells_keep_numbers_as_numbers_and_absence_as_none():
    cells = made({"a": lambda q: 1}).cells
    assert cells["error"].tolist() == [None] * 14
    assert cells["latency_ms"].dtype == cells["cost_usd"].dtype == cells["score.grade"].dtype == "float64"
    assert cells["request_id"].tolist() == [None] * 14
    assert pd.api.types.is_integer_dtype(cells["repeat"])
