"""What admission is told of a question, and the output limit that a budget sets in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.gateway.unified.operations import CHAT, COMPLETIONS, GENERATIONS, RERANK, SPEECH
from workbench.gateway.unified.operations.responses import read_response


def chat(**more: Any) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **more}
    return CHAT.parse(json.dumps(body).encode(), {})


@pytest.mark.parametrize(("asked", "kind", "field"), [
    ({}, "openai", "max_completion_tokens"), ({}, "azure", "max_completion_tokens"),
    ({}, "openai_compatible", "max_tokens"),
    ({}, "local", "max_tokens"), ({"max_tokens": 90}, "openai", "max_tokens"),
    ({"max_completion_tokens": 90}, "openai_compatible", "max_tokens"),
])  # fmt: skip
def test_a_limit_is_set_where_the_provider_knows_it(asked: dict[str, int], kind: Any, field: str) -> None:
    question = chat(**asked)
    assert question.output_limit == asked.get(field, asked.get("max_completion_tokens"))
    limited = question.with_output_limit(7).known_to(kind)
    body = json.loads(limited.body_for("m"))
    assert {name: body.get(name) for name in ("max_tokens", "max_completion_tokens") if name in body} == {field: 7}
    assert limited.output_limit == 7


def test_what_the_caller_asked_stays_where_the_gateway_sets_nothing() -> None:
    question = chat(max_completion_tokens=90)
    assert question.known_to("openai_compatible") is question


def test_other_operations_have_limits_of_their_own() -> None:
    completion = COMPLETIONS.parse(b'{"model": "m", "prompt": ["a", "b"], "n": 2, "best_of": 3}', {})
    assert (completion.choices, completion.output_limit) == (6, None)
    assert json.loads(completion.with_output_limit(5).body_for("m"))["max_tokens"] == 5
    response, _ = read_response(b'{"model": "m", "input": "x", "max_output_tokens": 9}', {})
    assert response.output_limit == 9
    assert json.loads(response.with_output_limit(5).body_for("m"))["max_output_tokens"] == 5
    assert GENERATIONS.parse(b'{"model": "m", "prompt": "x", "n": 4}', {}).with_output_limit(5) is None


def test_the_most_that_a_question_uses_is_told() -> None:
    assert chat(n=3).choices == 3
    question = chat()
    assert question.most.input_tokens == question.size
    linked = chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}])
    assert linked.most.input_tokens > linked.size + 1000
    assert GENERATIONS.parse(b'{"model": "m", "prompt": "x", "n": 4}', {}).most.images == 4
    assert SPEECH.parse(b'{"model": "m", "input": "hello", "voice": "a"}', {}).most.characters == 5
    assert RERANK.parse(b'{"model": "m", "query": "q", "documents": ["a"]}', {}).most.queries == 1


def test_pictures_and_speech_have_a_most_that_a_small_budget_can_hold() -> None:
    assert GENERATIONS.parse(b'{"model": "m", "prompt": "x"}', {}).output_limit == 10_000
    assert SPEECH.parse(b'{"model": "m", "input": "hello", "voice": "a"}', {}).output_limit == 48
