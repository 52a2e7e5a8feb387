"""What a native request can use at most, and its limit of an answer, in each protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.gateway.native.bounds import choices_of, limited, most_of, output_limit_of
from workbench.gateway.native.question import NativeQuestion
from workbench.gateway.native.reading import Measure
from workbench.gateway.native.rule import GET, Reads, Rule
from workbench.wire.usage import Usage

BODIES: dict[Reads, dict[str, Any]] = {
    "chat": {"max_completion_tokens": 99},
    "responses": {"max_output_tokens": 99},
    "messages": {"max_tokens": 99},
    "generate": {"generationConfig": {"maxOutputTokens": 99, "temperature": 0}},
    "converse": {"inferenceConfig": {"maxTokens": 99}},
    "tokens": {"options": {"num_predict": 99}},
    "invoke": {"max_tokens": 99},
    "partner": {"max_tokens": 99},
}


def encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("reads", BODIES)
def test_the_callers_limit_is_read_and_lowered_where_it_stands_and_nothing_else_is_changed(reads: Reads) -> None:
    fields = {"model": "m", **BODIES[reads], "x": {"y": [1.50, "ü"]}}
    assert output_limit_of(reads, encoded(fields)) == 99
    changed = limited(reads, "/p", encoded(fields), 7)
    assert changed is not None
    assert output_limit_of(reads, changed) == 7
    assert json.loads(changed) == json.loads(json.dumps(fields).replace("99", "7"))


@pytest.mark.parametrize("reads", BODIES)
def test_where_nothing_was_said_a_limit_is_set_unless_only_the_caller_knows_its_name(reads: Reads) -> None:
    body = b'{"model": "m"}'
    assert output_limit_of(reads, body) is None
    changed = limited(reads, "/v1/chat/completions", body, 7)
    if reads in ("invoke", "partner"):
        assert changed is None
    else:
        assert changed is not None
        assert output_limit_of(reads, changed) == 7


def test_both_names_of_a_limit_are_lowered() -> None:
    changed = limited("chat", "/v1/chat/completions", b'{"max_tokens": 50, "max_completion_tokens": 60}', 7)
    assert json.loads(changed or b"") == {"max_tokens": 7, "max_completion_tokens": 7}


def test_plain_completions_know_the_older_name() -> None:
    assert json.loads(limited("chat", "/v1/completions", b"{}", 7) or b"") == {"max_tokens": 7}


def test_what_is_no_json_object_has_no_limit() -> None:
    for body in (None, b"[]", b"{", object()):
        assert output_limit_of("chat", body) is None
        assert limited("chat", "/p", body, 7) is None
    assert output_limit_of("usage", b"{}") == 0


def test_answers_are_counted() -> None:
    assert choices_of("chat", b'{"n": 3}') == 3
    assert choices_of("generate", b'{"generationConfig": {"candidateCount": 2}}') == 2
    assert choices_of("messages", b'{"n": 3}') == 1
    assert choices_of("chat", b'{"n": true}') == 1


def test_what_is_only_named_counts_as_tokens_too() -> None:
    plain = encoded({"messages": [{"content": "hello"}]})
    named = encoded({"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]})
    measure = Measure()
    assert most_of("chat", measure, size=len(plain), body=plain) == Usage(input_tokens=len(plain))
    assert most_of("chat", measure, size=len(named), body=named).input_tokens > len(named) + 4000
    assert most_of("pictures", Measure(pictures=3), size=9, body=b"").images == 3
    assert most_of("ranking", Measure(documents=101), size=9, body=b"").queries == 2
    assert most_of("transcript", measure, size=64_000, body=None).audio_seconds > 1


def test_a_look_is_free_and_what_is_made_in_an_account_is_not() -> None:
    listing, shared = Rule("/v1/models", GET), Rule("/v1/batches/**", shared="batches")
    assert NativeQuestion(rule=listing, only_looks=True).uses_nothing
    assert NativeQuestion(rule=listing).uses_nothing
    assert NativeQuestion(rule=shared, only_looks=True).uses_nothing
    assert not NativeQuestion(rule=shared).uses_nothing
    assert not NativeQuestion(rule=Rule("/v1/chat/completions", model="body", reads="chat")).uses_nothing
