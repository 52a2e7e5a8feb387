"""Measures of how much is right: fields of JSON, wording, support by a context; and what an answer took."""

from types import SimpleNamespace

import pytest
from rouge_score.rouge_scorer import RougeScorer

from workbench.errors import InvalidInput
from workbench.evidence import (
    Example,
    Output,
    bleu,
    cost,
    groundedness,
    json_fields_f1,
    latency,
    length,
    rouge,
    scorer,
)
from workbench.wire.usage import Usage

ORDER = Example(
    "a",
    {"q": "?"},
    {"customer": {"name": "Ana", "city": "Ulm"}, "items": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}], "tags": []},
)
CAT = Example("c", {"q": "?"}, "The cat sat on the mat.")
REFUND = Example(
    "g", {"question": "How long?", "context": "Refunds are paid within 30 days. Shipping is free above 50 euros."}
)


@pytest.mark.parametrize(
    ("answer", "right", "found"),
    [
        ('{"customer":{"name":"ana ","city":"Ulm"},"items":[{"sku":"x","n":1},{"sku":"y","n":2}],"tags":[]}', 7, 7),
        ('{"customer":{"name":"Ana","city":"Ulm"},"items":[{"sku":"y","n":2.0},{"sku":"x","n":1}],"tags":[]}', 7, 7),
        ('{"customer":{"name":"Ana"},"items":[{"sku":"x","n":2},{"sku":"y","n":1}],"tags":[]}', 4, 6),
        ('{"customer":{"name":"Ana","city":"Bonn"},"items":[{"sku":"x","n":1}]}', 3, 4),
        ('{"customer":"Ana","items":[],"tags":[],"note":"hi"}', 1, 4),
        ('Sure: {"tags": []} is all', 1, 1),
        ("[1, 2]", 0, 2),
    ],
)
def test_leaves_are_counted_at_their_place(answer, right, found):
    score = json_fields_f1()(answer, ORDER)
    assert score.value == pytest.approx(2 * right / (found + 7))
    assert score.note.startswith(f"precision {right / found:.2f}, recall {right / 7:.2f}")


def test_the_note_names_what_differs():
    note = json_fields_f1()('{"customer": {"name": "Eva"}, "extra": 1}', ORDER).note
    assert note.endswith("customer.name differs, customer.city is missing, items is missing, ...")


def test_fields_may_be_chosen_and_expected_texts_may_be_json():
    assert json_fields_f1(fields=["tags"])('{"tags": [], "customer": 3}', ORDER).value == 1
    assert json_fields_f1()('{"a": 1}', Example("b", {"q": "?"}, '{"a": 1, "b": 2}')).value == pytest.approx(2 / 3)


def test_no_json_is_wrong_and_nothing_expected_is_no_score():
    assert json_fields_f1()("sorry", ORDER).value == 0
    assert json_fields_f1()('{"a": 1}', CAT).value is None
    assert json_fields_f1(fields=["owner"])('{"a": 1}', ORDER).value is None


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL", "rougeLsum"])
def test_rouge_gives_the_library_s_own_figures(kind):
    said = "A cat was sitting on the mats, quietly."
    own = RougeScorer([kind], use_stemmer=True).score(CAT.expected, said)[kind]
    for part, figure in (("f", own.fmeasure), ("precision", own.precision), ("recall", own.recall)):
        assert rouge(kind, part=part)(said, CAT).value == pytest.approx(figure, abs=1e-9)


def test_rouge_counts_words_of_any_alphabet_and_takes_the_nearest_of_several_texts():
    greeting = "\u03ba\u03b1\u03bb\u03b7 \u03bc\u03ad\u03c1\u03b1"
    greek = Example("d", {"q": "?"}, {"texts": [greeting, "good day"]})
    assert rouge(key="texts")(f"{greeting}!", greek).value == 1
    assert rouge(key="texts")("good", greek).value == pytest.approx(2 / 3)
    with pytest.raises(InvalidInput, match="rougeX"):
        rouge("rougeX")


def test_bleu_gives_the_library_s_own_figures():
    from sacrebleu import sentence_bleu

    assert bleu()("The cat sat on the mat.", CAT).value == 1
    for said in ("The cat sat on a mat.", "cat", "Dogs bark loudly"):
        assert bleu()(said, CAT).value == pytest.approx(sentence_bleu(said, [CAT.expected]).score / 100, abs=1e-9)
    assert bleu(ignore_case=True)("the CAT sat on the mat.", CAT).value == 1
    assert bleu()("", CAT).value == 0
    with pytest.raises(InvalidInput, match="tokenizer"):
        bleu(tokenize="words")


def test_sentences_that_the_context_supports_are_counted():
    score = groundedness()("Refunds are paid within 30 days [1]. Refunds are paid within 14 days.", REFUND)
    assert score.value == 0.5
    assert "number 14" in score.note
    assert groundedness()("Shipping is free above 50 euros.", REFUND).value == 1


def test_the_context_is_what_the_output_tells_or_who_is_asked_says():
    made = SimpleNamespace(text="Payment is by card only.", images=[], contexts=["Payment is by card only."])
    assert groundedness()(Output.of(made), REFUND).value == 1
    found = SimpleNamespace(text="Payment is by card.", hits=[SimpleNamespace(chunk=SimpleNamespace(text="No cash."))])
    assert groundedness()(Output.of(found), REFUND).value == 0
    assert groundedness(context=lambda output, example: ["It rains."])("It rains.", REFUND).value == 1
    assert groundedness(context="sources")("It rains.", REFUND).value is None
    assert groundedness()("", REFUND).value is None
    with pytest.raises(InvalidInput, match="stemmer"):
        groundedness(language="klingon")


def test_what_an_answer_took_is_a_figure_of_which_less_is_better():
    took = Output("one two three", latency_ms=120.0, cost_usd=0.002, usage=Usage(5, 7))
    for measure, value in ((latency(), 120), (cost(), 0.002), (length(), 3), (length(unit="tokens"), 7)):
        assert measure(took, CAT).value == value
        assert (measure.bounds, measure.less_is_better) == (None, True)
    assert length(unit="characters")("abc", CAT).value == 3


def test_within_a_limit_is_a_share_of_which_more_is_better():
    took = Output("one two three", latency_ms=120.0, cost_usd=0.002)
    assert [latency(within_ms=limit)(took, CAT).value for limit in (119, 120)] == [0, 1]
    assert [cost(within_usd=limit)(took, CAT).value for limit in (0.001, 0.01)] == [0, 1]
    assert [length(at_least=least, at_most=3)(took, CAT).value for least in (3, 2)] == [1, 1]
    assert length(at_least=4)(took, CAT).value == 0
    assert (latency(within_ms=1).bounds, latency(within_ms=1).less_is_better) == ((0, 1), False)
    with pytest.raises(InvalidInput, match="No answer"):
        length(at_least=3, at_most=2)


def test_what_is_not_known_is_no_score():
    for measure in (latency(), cost(), length(unit="tokens"), cost(within_usd=1)):
        assert measure("x", CAT).value is None
    assert length()(Output(images=(b"x",)), CAT).value is None


def test_the_identity_of_a_scorer_is_what_its_figure_depends_on():
    assert rouge().identity == rouge(name="wording").identity
    assert rouge().identity != rouge("rouge1").identity
    assert length(at_most=3).identity != length(at_most=4).identity
    assert groundedness(context=lambda output, example: "x").identity is None
    assert scorer(len).identity is None
    assert scorer(len, version="1").identity != scorer(len, version="2").identity
    many = [rouge(), bleu(), json_fields_f1(), groundedness(), latency(), cost(), length()]
    assert len({each.identity for each in many}) == len(many)
