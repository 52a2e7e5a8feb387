import json

import pytest

from workbench import experiments
from workbench.client import ChatResult
from workbench.errors import InvalidInput
from workbench.evidence import Dataset, exact_match
from workbench.prompts import Prompt
from workbench.wire.usage import Usage

ROWS = [{"id": f"e{n}", "inputs": {"m": f"message {n}"}, "expected": "long" if n % 2 else "short"} for n in range(12)]


class Answering:
    """Answers by a rule over the text that it is asked, and counts."""

    def __init__(self, rule):
        self.rule, self.calls = rule, 0

    def chat(self, messages, *, model, tags=None, **parameters):
        self.calls += 1
        text = self.rule(messages[-1]["content"], self.calls)
        return ChatResult(
            text=text, images=[], usage=Usage(input_tokens=5, output_tokens=len(text)), cost_usd=0.001, latency_ms=1.0,
            request_id=f"r{self.calls}", model=model, finish_reason="stop",
        )  # fmt: skip


def obedient(text, _):
    number = int(text.rsplit(" ", 1)[1])
    if "both" in text:
        return "long" if number % 2 else "short"
    return "short"


def diff(gateway, scorers=(), b="both: {{m}}", rows=ROWS, **options):
    one, two = (Prompt("p", each, version=n, parameters={"model": "m"}) for n, each in enumerate(("one: {{m}}", b), 1))
    return experiments.diff_behaviour(
        one, two, Dataset.from_rows(rows), scorers, gateway=gateway, progress=False, **options
    )


def test_the_examples_that_changed_stand_first_with_both_answers():
    found = diff(Answering(obedient), [exact_match()])
    assert found
    changed = found.rows[found.rows["changed"] > 0]
    assert list(changed["example_id"]) == ["e1", "e3", "e5", "e7", "e9", "e11"]
    assert list(found.rows["changed"][:6]) == [1.0] * 6
    assert (changed["a"][0], changed["b"][0], changed["exact_match.difference"][0]) == ("short", "long", 1.0)
    assert (found.changed.mean, found.changed.n) == (0.5, 12)
    assert found.changed.low < 0.5 < found.changed.high


def test_the_difference_is_paired_and_has_its_interval():
    (row,) = diff(Answering(obedient), [exact_match()]).statistics.query("metric == 'exact_match'").to_dict("records")
    assert (row["difference"], row["n"], row["unit"], row["verdict"]) == (0.5, 12, "example", "better")
    assert 0 < row["low"] < 0.5 < row["high"]


def test_prompts_that_do_the_same_have_no_difference_though_they_read_differently():
    found = diff(Answering(obedient), b="uno: {{m}}")
    assert not found
    assert found.changed.mean == 0
    assert "answer 0 of 12 examples differently" in str(found)


def test_json_in_another_order_and_white_space_are_no_change():
    answers = {1: '{"a": 1, "b": 2}', 0: ' {"b":2,"a":1}\n'}
    assert not diff(Answering(lambda text, _: answers["one" in text]))


def test_repeats_tell_how_far_a_prompt_differs_from_itself():
    found = diff(Answering(lambda text, number: f"answer {number}"), repeats=2)
    assert found.changed.mean == 1
    assert found.unsteady.mean == 1
    assert "p v1 differs from itself on 100%" in str(found)
    assert diff(Answering(obedient), repeats=2, model="n").unsteady.mean == 0


def test_an_example_that_failed_is_neither_changed_nor_the_same():
    def failing(text, _):
        if text == "both: message 3":
            raise InvalidInput("refused")
        return obedient(text, _)

    found = diff(Answering(failing), [exact_match()])
    assert found.changed.n == 11
    assert found.rows.set_index("example_id")["changed"].isna().sum() == 1


def test_what_was_answered_may_be_of_one_group_alone():
    def failing(text, _):
        if "both" in text and int(text.rsplit(" ", 1)[1]) >= 8:
            raise InvalidInput("refused")
        return obedient(text, _)

    found = diff(Answering(failing), rows=[{**row, "group": "ab"[n >= 8]} for n, row in enumerate(ROWS)])
    assert (found.changed.n, found.changed.unit) == (8, "example")


def test_it_is_told_as_json_and_shown_without_markup_of_the_answers():
    found = diff(Answering(lambda text, _: f"<b>{text}</b>"))
    told = json.loads(json.dumps(found.as_dict()))
    assert told["changed"]["mean"] == 1
    assert len(told["rows"]) == 12
    assert "<b>one" not in found._repr_html_()


def test_what_was_asked_is_not_asked_again():
    gateway = Answering(obedient)
    diff(gateway)
    before = gateway.calls
    diff(gateway)
    assert gateway.calls == before == 24


def test_a_prompt_without_a_model_is_refused_before_anything_is_asked():
    gateway = Answering(obedient)
    with pytest.raises(InvalidInput, match="names no model"):
        experiments.diff_behaviour(Prompt("p", "{{m}}"), Prompt("p", "x {{m}}"), ROWS, gateway=gateway, progress=False)
    assert gateway.calls == 0
