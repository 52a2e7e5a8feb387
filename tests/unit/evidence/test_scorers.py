"""Scorers: what is right, what is wrong, and what is no score at all."""

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.errors import GatewayUnreachable, InvalidInput
from workbench.evidence import (
    Example,
    Output,
    Score,
    Scorer,
    contains,
    embedding_similarity,
    exact_match,
    find_json,
    json_field,
    json_schema_valid,
    scorer,
)

LABELS = Example("a", {"q": "?"}, {"issue": "delivery", "sentiment": "negative", "count": 2})
TEXT = Example("b", {"q": "?"}, "Delivery")
NOTHING = Example("c", {"q": "?"})
SCHEMA = {"type": "object", "properties": {"issue": {"enum": ["delivery", "payment"]}}, "required": ["issue"]}


class BagOfWords:
    """A small encoder: one dimension a word. It counts what it was asked."""

    def __init__(self):
        self.batches = []

    def embed(self, texts, *, model):
        self.batches.append(list(texts))
        words = sorted({word for text in texts for word in text.lower().split()})
        return np.array([[text.lower().split().count(word) for word in words] for text in texts], dtype=np.float32)


@pytest.mark.parametrize(
    ("scorer_", "output", "example", "value"),
    [
        (exact_match(), " Delivery\n", TEXT, 1),
        (exact_match(), "delivery", TEXT, 0),
        (exact_match(ignore_case=True), "delivery", TEXT, 1),
        (exact_match(key="issue"), "delivery", LABELS, 1),
        (exact_match(), '{"sentiment":"negative","count":2.0,"issue":"delivery"}', LABELS, 1),
        (exact_match(), '{"sentiment":"negative","count":true,"issue":"delivery"}', LABELS, 0),
        (exact_match(), "the issue is delivery", LABELS, 0),
        (contains(), "It is a DELIVERY issue.", TEXT, 1),
        (contains(ignore_case=False), "It is a DELIVERY issue.", TEXT, 0),
        (contains("refund"), "We refund it.", NOTHING, 1),
        (json_field("issue"), '{"issue": " Delivery "}', LABELS, 1),
        (json_field("issue"), 'Sure:\n```json\n{"issue": "delivery"}\n```', LABELS, 1),
        (json_field("issue"), 'I think {"issue": "payment"} fits', LABELS, 0),
        (json_field("issue"), "delivery", LABELS, 0),
        (json_field("sentiment"), '{"issue": "delivery"}', LABELS, 0),
        (json_schema_valid(SCHEMA), '{"issue": "payment"}', NOTHING, 1),
        (json_schema_valid(SCHEMA), '{"issue": "weather"}', NOTHING, 0),
        (json_schema_valid(SCHEMA), '```json\n{"issue": "payment"}\n```', NOTHING, 0),
        (json_schema_valid(SCHEMA, strict=False), '```json\n{"issue": "payment"}\n```', NOTHING, 1),
        (json_schema_valid(SCHEMA), '{"issue": NaN}', NOTHING, 0),
    ],
)
def test_output_is_scored(scorer_, output, example, value):
    assert scorer_(output, example).value == value


@pytest.mark.parametrize(
    ("scorer_", "example"),
    [(exact_match(), NOTHING), (contains(), LABELS), (json_field("owner"), LABELS), (json_field("issue"), TEXT)],
)
def test_where_nothing_is_expected_there_is_no_score(scorer_, example):
    score = scorer_('{"issue": "delivery"}', example)
    assert score.value is None
    assert "expected" in score.note


@pytest.mark.parametrize("scorer_", [exact_match(), contains(), json_field("issue"), json_schema_valid(SCHEMA)])
def test_an_image_is_not_scored_by_a_measure_of_texts(scorer_):
    assert scorer_(Output(images=(b"\x89PNG",)), LABELS).value is None


def test_notes_tell_what_is_wrong():
    assert json_field("issue")('{"issue": "payment"}', LABELS).note == "'payment' instead of 'delivery'"
    assert "weather" in json_schema_valid(SCHEMA)('{"issue": "weather"}', NOTHING).note


def test_a_schema_that_is_none_is_refused_before_anything_is_paid():
    with pytest.raises(InvalidInput, match="not a JSON Schema"):
        json_schema_valid({"type": "obiect"})


def test_scorer_that_raises_gives_no_score():
    broken = scorer(lambda output, example: 1 / 0, name="broken")
    assert broken("x", TEXT) == Score(None, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), float("inf"), None])
def test_figures_out_of_bounds_are_no_score(value):
    assert scorer(lambda output, example: value, name="odd")("x", TEXT).value is None


def test_a_batch_that_loses_a_score_gives_none():
    lossy = Scorer("lossy", lambda output, example: 1.0, batch=lambda pairs, gateway: [Score(1.0)])
    found = lossy.score_all([(Output("x"), TEXT), (Output("y"), TEXT)])
    assert [score.value for score in found] == [None, None]
    assert "1 scores for 2 outputs" in found[0].note


def test_own_functions_may_decorate_and_say_their_bounds():
    @scorer(name="words", bounds=None)
    def count(output, example):
        return len(output.text.split())

    @scorer
    def polite(output, example):
        return "please" in output.text

    assert (count.name, count("one two three", TEXT).value) == ("words", 3)
    assert (polite.name, polite("please", TEXT).value) == ("polite", 1)


def test_names_that_can_not_be_columns_are_refused():
    with pytest.raises(InvalidInput, match="named"):
        scorer(lambda output, example: 1, name="a b")


def test_similarity_embeds_each_text_once_in_one_batch():
    encoder = BagOfWords()
    pairs = [(Output("delivery is late"), TEXT), (Output("Delivery"), TEXT), (Output("payment"), TEXT)]
    scores = embedding_similarity().score_all(pairs, gateway=encoder)
    assert [round(score.value, 3) for score in scores] == [round(1 / np.sqrt(3), 3), 1, 0]
    assert encoder.batches == [["delivery is late", "Delivery", "payment"]]


def test_similarity_without_texts_sends_nothing():
    encoder = BagOfWords()
    scores = embedding_similarity().score_all([(Output(images=(b"x",)), TEXT), (Output("x"), NOTHING)], gateway=encoder)
    assert [score.value for score in scores] == [None, None]
    assert encoder.batches == []


def test_similarity_without_a_gateway_is_no_score():
    class Dead:
        def embed(self, texts, *, model):
            raise GatewayUnreachable("The gateway does not answer.")

    assert "gateway" in embedding_similarity()("x", TEXT).note
    failed = embedding_similarity(gateway=Dead())("x", TEXT)
    assert (failed.value, "does not answer" in failed.note) == (None, True)


def test_json_is_found_where_models_put_it():
    assert find_json("[1, 2]") == [1, 2]
    assert find_json('Here: {"a": {"b": 1}} and {"c": 2}') == {"a": {"b": 1}}
    assert find_json('{broken} then {"a": 1}') == {"a": 1}
    assert find_json("no json { at all") is None
    assert find_json("[" * 100_000) is None


def test_outputs_are_read_from_what_candidates_return():
    assert Output.of("x") == Output("x")
    assert Output.of(b"\x89PNG") == Output(images=(b"\x89PNG",))
    assert Output.of(SimpleNamespace(text="", images=[b"i"])) == Output(None, (b"i",))
    assert Output.of(SimpleNamespace(text="", images=[])) == Output("")
    with pytest.raises(InvalidInput, match="int"):
        Output.of(3)
