from __future__ import annotations

from dataclasses import replace

from workbench.client import ChatResult
from workbench.wire.usage import Usage

ANSWER = ChatResult(
    text="word " * 100,
    images=[],
    usage=Usage(input_tokens=3, output_tokens=2),
    cost_usd=0.00025,
    latency_ms=12.3,
    request_id="r1",
    model="m",
    finish_reason="stop",
    raw=object(),
)


def test_a_representation_is_short_and_tells_the_facts():
    shown = repr(ANSWER)
    assert len(shown) < 200
    assert all(fact in shown for fact in ("'word word", "...", "m,", "3+2 tokens", "$0.000250", "12 ms"))


def test_an_unknown_cost_is_told_as_unknown():
    assert "cost unknown" in repr(replace(ANSWER, cost_usd=None))


def test_an_answer_that_was_cut_says_so():
    assert "length limit" in repr(replace(ANSWER, finish_reason="length"))


def test_a_models_words_are_shown_as_text_and_never_as_markup():
    page = replace(ANSWER, text="<script>alert(1)</script><img src=x>", model="<b>")._repr_html_()
    assert "<script>" not in page
    assert "<img" not in page
    assert "<b>" not in page


def test_images_are_shown_in_place():
    assert 'src="data:image/jpeg;base64,' in replace(ANSWER, images=[b"\xff\xd8\xff"])._repr_html_()


def test_a_result_reads_as_its_text():
    assert str(ANSWER) == ANSWER.text
