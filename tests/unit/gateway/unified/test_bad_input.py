"""Bad input of every operation: a 400 that names the field, before anybody is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.errors import InvalidInput
from workbench.gateway.unified.form import Form, read_form
from workbench.gateway.unified.operations import (
    CHAT,
    COMPLETIONS,
    EDITS,
    EMBEDDINGS,
    GENERATIONS,
    MODERATIONS,
    RERANK,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
)
from workbench.gateway.unified.operations.responses import read_response

USER = {"role": "user", "content": "hello"}
GOOD: dict[str, tuple[Any, dict[str, Any]]] = {
    "chat": (CHAT.parse, {"model": "m", "messages": [USER]}),
    "completions": (COMPLETIONS.parse, {"model": "m", "prompt": "hello"}),
    "responses": (read_response, {"model": "m", "input": "hello"}),
    "embeddings": (EMBEDDINGS.parse, {"model": "m", "input": "hello"}),
    "generations": (GENERATIONS.parse, {"model": "m", "prompt": "a square"}),
    "moderations": (MODERATIONS.parse, {"model": "m", "input": "hello"}),
    "rerank": (RERANK.parse, {"model": "m", "query": "q", "documents": ["a"]}),
    "speech": (SPEECH.parse, {"model": "m", "input": "hello", "voice": "alloy"}),
}
GONE = object()
WRONG: list[tuple[str, str, Any]] = [
    *((name, "model", value) for name in GOOD for value in (5, None, ["m"], {})),
    *((name, "model", GONE) for name in GOOD if name != "moderations"),
    *(("chat", field, value) for field, value in [
        ("messages", GONE), ("messages", []), ("messages", "hello"), ("messages", {}), ("messages", [5]),
        ("temperature", "hot"), ("top_p", "x"), ("n", 0), ("n", -1), ("n", 1.5), ("n", "2"), ("seed", 1.5),
        ("max_tokens", "many"), ("max_tokens", 0), ("max_tokens", -5), ("max_completion_tokens", 0), ("stop", 5),
        ("stop", [5]), ("stream", "yes"), ("stream", 1), ("stream_options", []), ("tools", {}), ("tools", ["x"]),
        ("tools", [{"function": {}}]), ("tool_choice", 5), ("parallel_tool_calls", "no"), ("logprobs", "yes"),
        ("top_logprobs", "3"), ("logit_bias", []), ("logit_bias", {"1": "x"}), ("response_format", "json"),
        ("response_format", {}), ("response_format", {"type": "json_schema", "json_schema": []}),
        ("frequency_penalty", "x"), ("presence_penalty", []), ("user", 5), ("metadata", "x"), ("modalities", "text"),
        ("audio", "alloy"), ("reasoning_effort", 5), ("store", "yes"), ("service_tier", 1), ("prediction", "x"),
    ]),
    *(("completions", field, value) for field, value in [
        ("prompt", []), ("prompt", [""]), ("prompt", 5), ("prompt", [{}]), ("n", 0), ("best_of", -1),
        ("max_tokens", 0), ("logprobs", "x"), ("stream", "x"), ("stop", 5), ("echo", "x"), ("suffix", 5),
    ]),
    *(("responses", field, value) for field, value in [
        ("input", GONE), ("input", []), ("input", ""), ("input", 5), ("input", ["x"]), ("max_output_tokens", 0),
        ("max_output_tokens", "x"), ("stream", "x"), ("tools", {}), ("tools", [{}]), ("previous_response_id", 5),
        ("conversation", "conv_1"), ("text", "x"), ("text", {"format": {}}), ("store", "x"), ("background", 1),
        ("temperature", "x"), ("include", "x"), ("reasoning", "x"), ("metadata", []),
        ("tools", [{"type": "code_interpreter", "container": "cntr_1"}]),
    ]),
    *(("embeddings", field, value) for field, value in [
        ("input", GONE), ("input", ""), ("input", []), ("input", [""]), ("input", [1, "a"]), ("input", {}),
        ("input", [None]), ("dimensions", "x"), ("dimensions", 0), ("encoding_format", 5),
    ]),
    *(("generations", field, value) for field, value in [
        ("prompt", GONE), ("prompt", ""), ("prompt", 5), ("n", 0), ("n", "2"), ("size", 5), ("stream", "x"),
        ("partial_images", "x"), ("response_format", 5), ("quality", []),
    ]),
    *(("moderations", field, value) for field, value in [
        ("input", GONE), ("input", ""), ("input", []), ("input", 5), ("input", [5]), ("input", [{}]),
    ]),
    *(("rerank", field, value) for field, value in [
        ("query", GONE), ("query", ""), ("query", 5), ("documents", GONE), ("documents", []), ("documents", "a"),
        ("documents", [5]), ("top_n", 0), ("return_documents", "x"),
    ]),
    *(("speech", field, value) for field, value in [
        ("input", GONE), ("input", ""), ("input", 5), ("voice", GONE), ("voice", ""), ("voice", 5), ("speed", "fast"),
        ("response_format", 5), ("stream_format", 5), ("instructions", []),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "value"), WRONG)
def test_a_wrong_field_is_named(name: str, field: str, value: Any) -> None:
    parse, good = GOOD[name]
    body = {**good, field: value}
    if value is GONE:
        del body[field]
    with pytest.raises(InvalidInput) as caught:
        parse(json.dumps(body).encode(), {})
    assert caught.value.status == 400
    assert (caught.value.param or "").partition("[")[0].partition(".")[0] == field


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_passes(name: str) -> None:
    parse, good = GOOD[name]
    parse(json.dumps(good).encode(), {})


@pytest.mark.parametrize("more", [
    {"messages": [{**USER, "content": [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:"}}, {"type": "new", "new": 1}]}]},
    {"messages": [USER, {"role": "assistant", "content": None, "reasoning_content": "x", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
     "tool_choice": "auto"},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}},
    {"logprobs": True, "top_logprobs": 3, "n": 2, "reasoning_effort": "low", "modalities": ["text", "audio"],
     "audio": {"voice": "alloy", "format": "wav"}, "stop": None, "logit_bias": {"50256": -100}, "unknown": [1]},
])  # fmt: skip
def test_what_the_protocol_has_passes_untouched(more: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [USER], **more}
    assert json.loads(CHAT.parse(json.dumps(body).encode(), {}).body_for("m")) == body


async def form_of(fields: dict[str, Any]) -> Form:
    body = b""
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            file = "" if isinstance(one, str) else '; filename="f"'
            body += f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
            body += (one.encode() if isinstance(one, str) else one) + b"\r\n"
    messages = [{"type": "http.request", "body": body + b"--edge--", "more_body": False}]

    async def receive() -> Any:
        return messages.pop()

    return await read_form(receive, {b"content-type": b"multipart/form-data; boundary=edge"}, limit=10**6)


EDIT: dict[str, Any] = {"model": "m", "prompt": "p", "image": b"png"}
HEARD: dict[str, Any] = {"model": "m", "file": b"sound"}


@pytest.mark.parametrize(("operation", "good", "field", "value"), [
    (EDITS, EDIT, "model", GONE), (EDITS, EDIT, "model", ["a", "b"]), (EDITS, EDIT, "prompt", GONE),
    (EDITS, EDIT, "prompt", ""), (EDITS, EDIT, "image", GONE), (EDITS, EDIT, "image", b""),
    (EDITS, EDIT, "image", "text"),
    (EDITS, EDIT, "mask", [b"a", b"b"]), (EDITS, EDIT, "n", "0"), (EDITS, EDIT, "n", "many"),
    (EDITS, EDIT, "stream", "si"),
    *((operation, HEARD, field, value) for operation in (TRANSCRIPTIONS, TRANSLATIONS) for field, value in [
        ("model", GONE), ("file", GONE), ("file", b""), ("file", "text"), ("temperature", "hot"),
        ("response_format", ["json", "text"]),
    ]),
    (TRANSCRIPTIONS, HEARD, "stream", "perhaps"),
])  # fmt: skip
async def test_a_wrong_field_of_a_form_is_named(operation: Any, good: dict[str, Any], field: str, value: Any) -> None:
    fields = {**good, field: value}
    if value is GONE:
        del fields[field]
    with pytest.raises(InvalidInput) as caught:
        operation.parse(await form_of(fields), {})
    assert (caught.value.param, caught.value.status) == (field, 400)


async def test_several_pictures_may_be_edited_at_once() -> None:
    question = EDITS.parse(
        await form_of({**EDIT, "image": [], "image[]": [b"a", b"b"], "n": "3", "stream": "true"}), {}
    )
    assert (question.choices, question.pieces.images, question.stream) == (3, 3, True)
    assert json.loads(question.body_for("upstream"))["model"] == "upstream"
