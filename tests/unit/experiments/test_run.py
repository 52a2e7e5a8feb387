"""Running: what is asked, what is kept, what is asked again, and when an experiment stops."""

import _thread
import io
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from workbench.errors import (
    AuthenticationFailed,
    GatewayUnreachable,
    InvalidInput,
    LimitExceeded,
    NotFound,
    ProviderUnavailable,
)
from workbench.evidence import Dataset, exact_match, scorer
from workbench.experiments import Candidate, Output, run
from workbench.experiments.calls import asking
from workbench.prompts import Prompt

SCORERS = [exact_match()]


def trial(candidates, data, model, **options):
    options = {"scorers": SCORERS, "track": False, "progress": False} | options
    return run("trial", candidates, data, gateway=model, **options)


def test_every_candidate_answers_every_example_in_order(pair, questions, model):
    result = trial(pair, questions, model, repeats=2)
    keys = list(zip(result.cells["candidate"], result.cells["example_id"], result.cells["repeat"], strict=True))
    assert keys == [(c, f"q{i}", r) for c in ("plain", "grand") for i in range(6) for r in range(2)]
    assert list(result.table()["score.exact_match"]) == [0, 1]
    assert len(model.asked) == 24


def test_calls_carry_model_parameters_and_tags(questions, model):
    prompt = Prompt("ask", "ask {{q}}", version=3, parameters={"model": "big", "temperature": 0, "seed": 1})
    trial([Candidate("größer, besser", prompt=prompt, parameters={"seed": 7})], questions.head(1), model)
    assert model.asked == [("big", "ask question 0", {"temperature": 0, "seed": 7})]
    assert {key: model.tags[0][key] for key in ("candidate", "prompt", "prompt_version")} == {
        "candidate": "gr-er-besser",
        "prompt": "ask",
        "prompt_version": "3",
    }


def test_inputs_that_a_prompt_does_not_name_are_left_out(model):
    data = Dataset.from_rows([{"inputs": {"q": "x", "topic": "y"}}])
    trial([Candidate("plain", prompt="ask {{q}}", model="m")], data, model)
    assert model.asked[0][1] == "ask x"


def test_no_more_calls_are_under_way_than_allowed(pair, questions, model):
    met = threading.Barrier(3)
    model.before = lambda text, number: met.wait(timeout=30)
    trial(pair, questions, model, concurrency=3)
    assert model.most_at_once == 3


def test_second_run_asks_nothing_and_finds_the_same(pair, questions, model):
    first = trial(pair, questions, model)
    second = trial(pair, questions, model)
    assert len(model.asked) == 12
    assert second.cells["reused"].all()
    assert not first.cells["reused"].any()
    kept = ["candidate", "example_id", "output", "latency_ms", "cost_usd", "request_id", "score.exact_match"]
    assert second.cells[kept].equals(first.cells[kept])


def test_only_what_changed_is_asked_again(pair, questions, model):
    trial(pair, questions, model)
    trial([pair[0], Candidate("grand", prompt="ask again {{q}}", model="big")], questions, model)
    assert len(model.asked) == 12 + 6
    trial([pair[0], Candidate("grand", prompt="ask {{q}}", model="big", parameters={"seed": 1})], questions, model)
    assert len(model.asked) == 18 + 6
    trial(pair, questions, model, repeats=2)
    assert len(model.asked) == 24 + 12


def test_a_new_expectation_scores_anew_without_asking(pair, questions, model):
    trial(pair, questions, model)
    rows = [{"id": e.id, "inputs": e.inputs, "expected": f"small: ask {e.inputs['q']}"} for e in questions]
    result = trial(pair, rows, model)
    assert len(model.asked) == 12
    assert list(result.table()["score.exact_match"]) == [1, 0]


def test_everything_is_asked_anew_on_demand(pair, questions, model):
    trial(pair, questions, model)
    trial(pair, questions, model, resume=False)
    assert len(model.asked) == 24


def test_a_failed_cell_is_excluded_and_counted_and_asked_again(pair, questions, model):
    def fail(text, number):
        if "question 2" in text and number <= 12:
            raise ProviderUnavailable("The provider is overloaded.")

    model.before = fail
    result = trial(pair, questions, model)
    grand = result.table().loc["grand"]
    assert (grand["n"], grand["failed"], grand["score.exact_match"], grand["score.exact_match.n"]) == (5, 1, 1, 5)
    failed = result.cells[result.cells["error"].notna()]
    assert list(failed["example_id"]) == ["q2", "q2"]
    assert "provider_unavailable: The provider is overloaded." in set(failed["error"])
    assert failed["output"].tolist() == [None, None]
    assert failed["score.exact_match"].isna().all()
    again = trial(pair, questions, model)
    assert len(model.asked) == 14
    assert again.table()["failed"].sum() == 0


def test_a_failed_scorer_leaves_the_cell_out_of_its_mean_only(pair, questions, model):
    def moody(output, example):
        if example.id == "q1":
            raise ValueError("no mood")
        return 1.0

    result = trial(pair, questions, model, scorers=[*SCORERS, scorer(moody)])
    row = result.table().loc["grand"]
    assert (row["n"], row["failed"], row["score.moody.n"], row["score.exact_match.n"]) == (6, 0, 5, 6)
    assert "ValueError: no mood" in set(result.cells["note.moody"])


@pytest.mark.usefixtures("impatient")
def test_a_dead_gateway_ends_the_run_after_a_few_attempts_and_keeps_what_is_done(pair, questions, model):
    def die(text, number):
        if number > 4:
            raise GatewayUnreachable("The gateway at http://127.0.0.1:1 does not answer.")

    model.before = die
    with pytest.raises(
        GatewayUnreachable, match=r"does not answer\. 4 of 12 cells are answered and kept: run the same"
    ):
        trial(pair, questions, model)
    assert len(model.asked) <= 4 + 2 * (1 + len(asking.PATIENCE))
    model.before, before = None, len(model.asked)
    assert trial(pair, questions, model).table()["n"].tolist() == [6, 6]
    assert len(model.asked) == before + 8


def test_a_gateway_that_was_silent_for_long_is_not_tried_again(pair, questions, model, monkeypatch):
    def die(text, number):
        raise GatewayUnreachable("No answer within 600 s.")

    model.before = die
    monkeypatch.setattr(asking, "_LONGEST_SILENCE", -1.0)
    with pytest.raises(GatewayUnreachable):
        trial(pair, questions, model, concurrency=1)
    assert len(model.asked) == 1


@pytest.mark.usefixtures("impatient")
def test_a_gateway_that_comes_back_costs_no_cell(pair, questions, model):
    def blink(text, number):
        if number in (3, 4, 5):
            raise GatewayUnreachable("The gateway does not answer.")

    model.before = blink
    assert trial(pair, questions, model).table()["failed"].tolist() == [0, 0]


@pytest.mark.parametrize("error", [AuthenticationFailed("The key is revoked."), NotFound("No model named 'small'.")])
def test_what_would_fail_every_call_stops_at_once(pair, questions, model, error):
    def refuse(text, number):
        raise error

    model.before = refuse
    with pytest.raises(type(error), match="0 of 12 cells"):
        trial(pair, questions, model)
    assert len(model.asked) <= 2


def test_a_candidate_that_never_works_is_given_up_and_the_other_goes_on(questions, model):
    rows = [{"q": f"question {i}"} for i in range(30)]
    broken = Candidate("broken", prompt="broken {{q}}", model="m")
    whole = Candidate("whole", prompt="whole {{q}}", model="m")

    def fail(text, number):
        if text.startswith("broken"):
            raise ProviderUnavailable("down")

    model.before = fail
    result = trial([broken, whole], rows, model, concurrency=1, scorers=[])
    assert result.table()["n"].tolist() == [0, 30]
    assert result.table()["failed"].tolist() == [30, 0]
    assert sum(text.startswith("broken") for _, text, _ in model.asked) <= 7
    errors = result.cells[result.cells["candidate"] == "broken"]["error"]
    assert errors.str.startswith("not sent: the 5 calls before it failed").sum() >= 23


def test_an_experiment_in_which_nothing_worked_is_an_error(questions, model):
    def fail(text, number):
        raise ProviderUnavailable("down")

    model.before = fail
    with pytest.raises(InvalidInput, match=r"No call of the experiment 'trial' succeeded.*down"):
        trial([Candidate("one", prompt="{{q}}", model="m")], questions, model)


def test_a_limit_that_says_when_to_come_back_is_waited_for(pair, questions, model):
    def limit(text, number):
        if number == 2:
            raise LimitExceeded("Too many requests.", retry_after=0.01)

    model.before = limit
    assert trial(pair, questions, model).table()["failed"].sum() == 0


def test_a_budget_that_is_used_up_is_not_waited_for(pair, questions, model):
    def limit(text, number):
        if number == 2:
            raise LimitExceeded("The budget is used up.")

    model.before = limit
    assert trial(pair, questions, model).table()["failed"].sum() == 1


def test_an_interrupt_keeps_what_is_paid_and_the_next_run_goes_on(pair, questions, model, monkeypatch):
    noticed = threading.Event()

    class Stderr(io.StringIO):
        def write(self, text):
            noticed.set()
            return super().write(text)

    def interrupt(text, number):
        if number == 5:
            _thread.interrupt_main()
            assert noticed.wait(timeout=60)

    monkeypatch.setattr("sys.stderr", Stderr())

    model.before = interrupt
    with pytest.raises(KeyboardInterrupt, match=r"Interrupted\. 5 of 12 cells are answered and kept: run the same"):
        trial(pair, questions, model, concurrency=1)
    assert len(model.asked) == 5
    assert "Interrupt again to leave them" in sys.stderr.getvalue()
    model.before = None
    result = trial(pair, questions, model)
    assert result.table()["n"].tolist() == [6, 6]
    assert len(model.asked) == 12


def test_callables_are_candidates_too(questions):
    png = b"\x89PNG\r\n\x1a\n" + b"0" * 20
    candidates = [
        Candidate("text", call=lambda inputs: f"big: ask {inputs['q']}"),
        Candidate("picture", call=lambda inputs: png),
        Candidate("both", call=lambda inputs: Output("see", (png, png + b"1"))),
        Candidate("result", call=lambda inputs: SimpleNamespace(text="hm", cost_usd=0.5, request_id="r")),
    ]
    result = trial(candidates, questions, None)
    by_name = {name: cells.iloc[0] for name, cells in result.cells.groupby("candidate")}
    assert by_name["picture"]["output"] == png
    assert by_name["both"]["output"] == "see"
    assert by_name["both"]["images"] == [png, png + b"1"]
    assert (by_name["result"]["cost_usd"], by_name["result"]["request_id"]) == (0.5, "r")
    assert result.table().loc["text", "score.exact_match"] == 1
    assert result.table().loc["picture", "score.exact_match.n"] == 0


def test_answers_of_a_callable_are_kept_only_under_a_version(questions):
    calls = []

    def shout(inputs):
        calls.append(inputs)
        return inputs["q"].upper()

    for _ in range(2):
        trial([Candidate("shout", call=shout)], questions, None)
    assert len(calls) == 12
    for version in ("1", "1", "2"):
        trial([Candidate("shout", call=shout, version=version)], questions, None)
    assert len(calls) == 12 + 12


def test_a_callable_that_raises_fails_its_cell(questions):
    def picky(inputs):
        if inputs["q"].endswith("3"):
            raise KeyError("three")
        return "ok"

    result = trial([Candidate("picky", call=picky)], questions, None)
    assert result.table().loc["picky", "failed"] == 1
    assert "KeyError: 'three'" in set(result.cells["error"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"candidates": []}, "at least one candidate"),
        ({"dataset": []}, "at least one candidate and one example"),
        ({"scorers": [exact_match]}, r"Call it: `exact_match\(\)`"),
        ({"scorers": [exact_match(), exact_match()]}, "Two scorers are named 'exact_match'"),
        ({"repeats": 0}, "at least 1"),
        ({"candidates": [Candidate("a", prompt="{{q}} {{missing}}", model="m")]}, "missing"),
        ({"candidates": [Candidate("a", prompt="{{q}}", model="m")] * 2}, "Two candidates are named 'a'"),
    ],
)
def test_what_can_not_work_is_found_before_anything_is_paid(change, words, pair, questions, model):
    arguments = {"candidates": pair, "dataset": questions, "scorers": SCORERS} | change
    with pytest.raises(InvalidInput, match=words):
        run("trial", gateway=model, track=False, progress=False, **arguments)
    assert model.asked == []


def test_an_asynchronous_client_is_refused(pair, questions):
    class Asynchronous:
        async def chat(self, messages, **parameters):
            raise NotImplementedError

    with pytest.raises(InvalidInput, match="not an AsyncGateway"):
        trial(pair, questions, Asynchronous())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "{{q}}"}, "names no model"),
        ({}, "a prompt or a callable"),
        ({"prompt": "{{q}}", "model": "m", "call": print}, "and not both"),
    ],
)
def test_candidates_that_say_too_little_or_too_much_are_refused(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        Candidate("a", **arguments)


def test_other_parameters_than_the_version_holds_have_another_hash():
    prompt = Prompt("ask", "ask {{q}}", version=3, parameters={"temperature": 0})
    assert Candidate("a", prompt=prompt, model="m").prompt_hash == prompt.hash
    assert Candidate("a", prompt=prompt, model="m", parameters={"temperature": 0}).prompt_hash == prompt.hash
    assert Candidate("a", prompt=prompt, model="m", parameters={"temperature": 1}).prompt_hash != prompt.hash


def test_equal_cells_are_asked_and_paid_for_once(questions, model):
    twins = [Candidate(name, prompt="ask {{q}}", model="big") for name in ("a", "b")]
    rows = [*questions, replace(questions[0], id="again")]
    result = trial(twins, rows, model, repeats=2, concurrency=4)
    assert len(model.asked) == 6 * 2
    assert result.table()["n"].tolist() == [14, 14]
    assert result.cells["reused"].sum() == 28 - 12


def test_a_rehearsal_at_another_gateway_answers_nothing_of_the_real_one(pair, questions, model):
    for url, asked in (("http://127.0.0.1:8000", 12), ("https://gateway.example", 24), ("http://127.0.0.1:9", 24)):
        model.url = url
        trial(pair, questions, model)
        assert len(model.asked) == asked
    model.url = "https://gateway.example"
    told = trial(pair, questions, model, dry_run=True)
    assert "12 cells, 12 of them in the journal, 0 to pay at https://gateway.example: " in repr(told)
