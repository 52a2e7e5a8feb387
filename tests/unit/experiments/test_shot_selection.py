from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.client import ChatResult
from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Score, Scorer, exact_match
from workbench.evidence.question import Question
from workbench.experiments import select_few_shot
from workbench.experiments.optimise import shot_choice
from workbench.experiments.optimise.shot_pool import unit_vectors
from workbench.prompts import Prompt
from workbench.wire.usage import Usage

WORDS = {"delivery": "parcel courier late street door", "payment": "card invoice refund charged bank"}
LABELS = Prompt("labels", [{"role": "system", "content": "Label."}, {"role": "user", "content": "{{m}}"}])


def messages(start, count, labels=tuple(WORDS)):
    rows = []
    for number in range(start, start + count):
        label = labels[number % len(labels)]
        words = WORDS[label].split()
        said = f"{words[number % 5]} {words[(number * 3 + 1) % 5]} number {number} {chr(97 + number % 26) * 9}"
        rows.append({"id": f"e{number}", "inputs": {"m": said}, "expected": label})
    return rows


def part(name, start, count, **more):
    return Dataset.from_rows(messages(start, count, **more), name=f"mail/{name}")


class Imitator:
    """Answers as the shown example with most words in common does; without examples always the same word."""

    def __init__(self):
        self.calls = 0

    def chat(self, messages, *, model, tags=None, **parameters):
        self.calls += 1
        asked = set(messages[-1]["content"].split())
        turns = [m["content"] for m in messages[1:-1]]
        shown = [
            (len(asked & set(question.split())), answer)
            for question, answer in zip(turns[::2], turns[1::2], strict=True)
        ]
        text = max(shown)[1] if shown else "delivery"
        return ChatResult(
            text=text, images=[], usage=Usage(input_tokens=5, output_tokens=1), cost_usd=0.001, latency_ms=1.0,
            request_id=f"r{self.calls}", model=model, finish_reason="stop",
        )  # fmt: skip

    def embed(self, texts, *, model):
        return np.array([[float("parcel" in text), 1.0] for text in texts])


def ids_of(dataset):
    return {example.id for example in dataset}


def test_diverse_examples_show_every_label_and_need_no_call():
    found = select_few_shot(LABELS, part("train", 0, 20), k=2, method="diverse")
    assert {shot.output for shot in found.draft.few_shot.shots} == set(WORDS)
    assert found.draft.version is None
    assert found.draft.template == LABELS.template
    assert found.difference is None
    assert "Not measured on a test part" in str(found)


def test_similar_examples_are_those_of_the_questions_that_will_come():
    asked = part("validation", 100, 10, labels=("payment",))
    found = select_few_shot(LABELS, part("train", 0, 20), k=3, method="similar", validation=asked)
    assert {shot.output for shot in found.draft.few_shot.shots} == {"payment"}


def test_an_encoder_takes_the_place_of_the_words():
    train = part("train", 0, 10)
    found = select_few_shot(
        LABELS, train, k=1, validation=part("validation", 50, 5), gateway=Imitator(), embedding_model="e"
    )
    assert len(found.chosen) == 1


def test_greedy_examples_raise_the_score_and_are_measured_once_on_the_test_part():
    gateway = Imitator()
    found = select_few_shot(
        Prompt("labels", LABELS.template, version=3, parameters={"model": "m"}),
        part("train", 0, 20),
        k=3,
        method="greedy",
        validation=part("validation", 100, 12),
        test=part("test", 200, 30),
        scorers=[exact_match()],
        gateway=gateway,
        pool=4,
        progress=False,
    )
    assert found.steps[0].score == 0.5
    assert max(step.score for step in found.steps) > 0.5
    assert found.helps
    assert found.difference.n == 30
    assert set(found.chosen) <= ids_of(part("train", 0, 20))
    assert gateway.calls <= 12 * (1 + 3 * 4) + 2 * 30
    assert found.spent_usd == pytest.approx(gateway.calls * 0.001)


class Shop(Imitator):
    """An imitator and a judge with prices."""

    paid = 0.0

    def models(self):
        rows = [("m", 0.0, 0.0, 0.001), ("judge", 0.0, 0.0, 0.002)]
        return pd.DataFrame(rows, columns=["model", "price.input", "price.output", "price.call"])

    def chat(self, messages, *, model, **options):
        result = super().chat(messages, model=model, **options)
        result = replace(result, cost_usd=0.002 if model == "judge" else 0.001)
        self.paid += result.cost_usd
        return result


def judge():
    def ask(output, example):
        reply = yield Question([{"role": "user", "content": f"{output.text}?"}], "judge", {}, {"scorer": "judge"})
        return Score(float(output.text == example.expected), cost_usd=reply.cost_usd)

    return Scorer("judge", lambda output, example: None, ask=ask, identity="judge", model="judge")


def judged(gateway, **options):
    return select_few_shot(
        Prompt("labels", LABELS.template, parameters={"model": "m"}), part("train", 0, 20), k=2, method="greedy",
        validation=part("validation", 100, 12), scorers=[judge()], gateway=gateway, pool=4, progress=False, **options,
    )  # fmt: skip


def test_a_budget_that_does_not_cover_the_test_part_leaves_what_was_chosen(tmp_path, monkeypatch):
    alone, shop = Shop(), Shop()
    chosen = judged(alone)
    assert chosen.spent_usd == pytest.approx(alone.paid)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "another"))
    with pytest.warns(UserWarning, match=r"The selection ends: .* are left\. budget_usd=0\.0005 does not cover"):
        found = judged(shop, test=part("test", 200, 30), budget_usd=alone.paid + 0.0005)
    assert (found.chosen, found.difference) == (chosen.chosen, None)
    assert chosen.chosen
    assert shop.paid == pytest.approx(alone.paid)


def test_a_budget_that_ends_a_search_is_not_passed_by_judges():
    shop = Shop()
    with pytest.warns(UserWarning, match="budget_usd"):
        found = judged(shop, budget_usd=0.05)
    assert found.chosen == ()
    assert found.spent_usd == pytest.approx(shop.paid)
    assert 0.036 < shop.paid <= 0.05 + 1e-9


def test_where_no_example_helps_the_prompt_stays_as_it_is():
    prompt = Prompt("labels", LABELS.template, parameters={"model": "m"})
    same = part("validation", 100, 8, labels=("delivery",))
    found = select_few_shot(
        prompt, part("train", 0, 10), method="greedy", validation=same, test=part("test", 200, 10),
        scorers=[exact_match()], gateway=Imitator(), progress=False,
    )  # fmt: skip
    assert (found.chosen, found.draft, found.helps) == ((), prompt, None)


def test_the_seed_decides_which_are_tried():
    def tried(seed):
        return shot_choice.tried(np.random.default_rng(seed), 20, [3], 5, lambda places: 7 not in places)

    assert tried(1) == tried(1) != tried(2)
    assert len(tried(1)) == 5
    assert not {3, 7} & set(tried(1))


def test_what_stands_in_the_test_part_is_never_chosen():
    train, test = part("train", 0, 10), part("test", 5, 10)
    found = select_few_shot(LABELS, train, k=10, method="diverse", test=test, validation=part("validation", 0, 2))
    assert set(found.chosen) <= {"e2", "e3", "e4"}
    assert found.left_out["stands in test"] == 5
    assert found.left_out["stands in validation"] == 2


@pytest.mark.parametrize("name", ["test", "holdout", "validation"])
def test_a_part_that_is_there_to_test_on_gives_no_examples(name):
    with pytest.raises(InvalidInput, match="is there to test on"):
        select_few_shot(LABELS, part(name, 0, 5))


def test_the_budget_of_tokens_holds():
    found = select_few_shot(LABELS, part("train", 0, 20), k=10, method="diverse", max_tokens=60)
    assert 1 <= len(found.chosen) < 10
    assert found.draft.few_shot.tokens <= 60
    assert found.draft.few_shot.max_tokens == 60


def test_examples_go_to_a_marked_place_too():
    marked = Prompt("labels", "{{few_shot}}\n\nm: {{m}}\noutput:", parameters={"model": "m"})
    found = select_few_shot(
        marked, part("train", 0, 6), k=1, method="greedy", validation=part("validation", 50, 4, labels=("payment",)),
        scorers=[exact_match()], gateway=Imitator(), progress=False,
    )  # fmt: skip
    assert found.steps[0].score == 0
    assert select_few_shot(marked, part("train", 0, 6), k=2).draft.render(m="x")[0]["content"].count("output:") == 3


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"method": "best"}, "No method 'best'"),
        ({"k": 0}, "at least 1"),
        ({"method": "greedy", "scorers": [exact_match()]}, "validation part"),
        ({"method": "greedy", "validation": part("validation", 50, 2)}, "Without a scorer"),
    ],
)
def test_what_can_not_be_chosen_by_is_refused(options, what):
    with pytest.raises(InvalidInput, match=what):
        select_few_shot(LABELS, part("train", 0, 5), **options)


def test_examples_without_an_answer_can_not_be_shown():
    rows = [{"id": "a", "inputs": {"m": "x"}}, {"id": "b", "inputs": {"n": "x"}, "expected": "y"}]
    with pytest.raises(InvalidInput, match="1 x has no expected answer, 1 x lacks an input"):
        select_few_shot(LABELS, Dataset.from_rows(rows))


def test_vectors_of_words_are_near_where_words_are_shared():
    vectors = unit_vectors(["the parcel is late", "parcel late again", "charged twice", ""], None)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] == 0
    assert np.linalg.norm(vectors[3]) == 0
