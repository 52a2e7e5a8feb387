"""Scorers that ask: cell by cell, each of their calls paid for once, and a score that fails is a marked cell."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from workbench.errors import GatewayUnreachable, NotFound, ProviderUnavailable, Unavailable
from workbench.evidence import Score, Scorer, exact_match, scorer
from workbench.evidence.question import Question
from workbench.experiments import Candidate, run
from workbench.experiments.cells.journal import Journal


def judge(identity: str | None = "one", *, calls: int = 2, model: str = "judge") -> Scorer:
    """Return a judge that asks twice whether an answer is good, and says how often it was told so."""

    def ask(output: Any, example: Any) -> Any:
        good, cost = 0, 0.0
        for number in range(calls):
            message = {"role": "user", "content": f"is it good ({number})? {output.text}"}
            reply = yield Question([message], model, {"max_tokens": 1}, {"scorer": "judge"})
            good += "good" in reply.text
            cost += reply.cost_usd or 0.0
        return Score(good / calls, cost_usd=cost)

    return Scorer("judge", lambda output, example: None, ask=ask, identity=identity)


def trial(candidates, data, model, **options):
    options = {"track": False, "progress": False, "scorers": [exact_match(), judge()]} | options
    return run("judged", candidates, data, gateway=model, **options)


def asked(model, who="judge"):
    return [text for name, text, _ in model.asked if name == who]


def test_each_answer_is_judged_through_the_gateway_and_the_figures_stand_in_the_table(pair, questions, model):
    found = trial(pair, questions, model)
    assert found.table()["score.judge"].tolist() == [1, 1]
    assert found.cells["judge_cost_usd"].tolist() == pytest.approx([2 * model.cost_usd] * len(found.cells))
    assert found.table()["score.exact_match"].tolist() == [0, 1]
    assert len(asked(model)) == 2 * 12
    assert {tags["scorer"] for (name, _, _), tags in zip(model.asked, model.tags, strict=True) if name == "judge"} == {
        "judge"
    }


def test_no_judgement_is_paid_for_twice(pair, questions, model):
    first = trial(pair, questions, model)
    before = len(model.asked)
    again = trial(pair, questions, model)
    assert len(model.asked) == before
    assert again.cells["score.judge"].tolist() == first.cells["score.judge"].tolist()
    trial(pair, questions, model, scorers=[judge("another rubric")])
    assert len(asked(model)) == 2 * 24
    assert len(model.asked) == before + 24  # and none of the answers


def test_a_judge_that_can_not_say_what_it_is_pays_for_no_call_twice_either(pair, questions, model):
    for _ in range(2):
        trial(pair, questions, model, scorers=[judge(None)])
    assert len(asked(model)) == 24


def test_equal_answers_to_one_example_are_judged_once(questions, model):
    same = [Candidate(name, call=lambda inputs: "same") for name in ("a", "b")]
    trial(same, questions, model, scorers=[judge()], concurrency=4)
    assert len(asked(model)) == 2 * 6


def test_calls_of_a_judge_count_among_those_under_way(pair, questions, model):
    met = threading.Barrier(3)
    model.before = lambda text, number: met.wait(timeout=30) if number <= 3 else None
    trial(pair, questions, model, concurrency=3)
    assert model.most_at_once == 3


def test_a_judge_that_fails_marks_the_cell_and_is_asked_again(pair, questions, model):
    def fail(text, number):
        if "is it good (1)" in text and "question 2" in text:
            raise ProviderUnavailable("The provider is overloaded.")

    model.before = fail
    found = trial(pair, questions, model)
    assert found.table()["score.judge.n"].tolist() == [5, 5]
    assert found.table()["failed"].tolist() == [0, 0]
    assert "provider_unavailable: The provider is overloaded." in set(found.cells["note.judge"])
    model.before, before = None, len(model.asked)
    assert trial(pair, questions, model).table()["score.judge.n"].tolist() == [6, 6]
    assert len(model.asked) == before + 2  # the call that failed; its first one is known


def test_a_judge_whose_model_is_gone_leaves_the_answers(pair, questions, model):
    def gone(text, number):
        if "is it good" in text:
            raise NotFound("No model named 'judge'.")

    model.before = gone
    found = trial(pair, questions, model, concurrency=1)
    assert found.table()["n"].tolist() == [6, 6]
    assert found.table()["score.judge.n"].tolist() == [0, 0]
    assert 5 <= len(asked(model)) <= 7  # it is given up, but for what was on its way
    assert found.cells["note.judge"].str.startswith("not sent: the 5 calls before it failed").sum() >= 5


@pytest.mark.usefixtures("impatient")
def test_a_gateway_that_dies_while_judging_keeps_all_that_was_paid(pair, questions, model):
    def die(text, number):
        if number > 10:
            raise GatewayUnreachable("The gateway does not answer.")

    model.before = die
    with pytest.raises(GatewayUnreachable, match="of 12 cells are answered and kept"):
        trial(pair, questions, model, concurrency=1)
    paid = 10
    model.before, before = None, len(model.asked)
    trial(pair, questions, model)
    assert len(model.asked) - before == 36 - paid


def test_a_scorer_that_raises_or_finds_no_number_marks_its_cell(pair, questions, model):
    def odd(output, example):
        if example.id == "q1":
            raise ValueError("no mood")
        return float("nan") if example.id == "q2" else 1.0

    found = trial(pair, questions, model, scorers=[scorer(odd)])
    assert found.table()["score.odd.n"].tolist() == [4, 4]
    assert {"ValueError: no mood", "the scorer gave no figure"} <= set(found.cells["note.odd"])


def test_an_odd_error_of_a_judge_s_client_marks_the_cell(pair, questions, model):
    def odd(text, number):
        if "is it good (0)" in text and "question 2" in text:
            raise ValueError("no JSON")

    model.before = odd
    found = trial(pair, questions, model)
    assert found.table()["score.judge.n"].tolist() == [5, 5]
    assert "ValueError: no JSON" in set(found.cells["note.judge"])


def test_a_journal_that_takes_no_score_is_told_as_one(pair, questions, model, monkeypatch):
    def refuse(*arguments, **options):
        written: Future[None] = Future()
        written.set_exception(sqlite3.OperationalError("database or disk is full"))
        return written

    monkeypatch.setattr(Journal, "keep_score", refuse)
    with pytest.raises(Unavailable, match=r"can't be written: database or disk is full.* answered and kept"):
        trial(pair, questions, model)


def test_judgements_of_the_journal_and_of_equal_answers_cost_nothing_again(questions, model):
    same = [Candidate(name, call=lambda inputs: "same", version="1") for name in ("a", "b")]
    first = trial(same, questions, model, scorers=[judge()])
    assert first.cells["judge_cost_usd"].sum() == pytest.approx(2 * 6 * model.cost_usd)
    again = trial([*same, Candidate("c", call=lambda inputs: "other")], questions, model, scorers=[judge()])
    assert again.cells["judge_cost_usd"].sum() == pytest.approx(2 * 6 * model.cost_usd)
    assert set(again.cells.loc[again.cells["judge_cost_usd"] > 0, "candidate"]) == {"c"}
