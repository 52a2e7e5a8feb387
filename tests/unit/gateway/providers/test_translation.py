"""Chat and embeddings at each protocol, over the wire: what is sent, and what comes back in OpenAI's shape."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import InvalidInput, ProviderCredential, ProviderError, ProviderLimit
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.providers.provider import CallerRefused, Provider
from workbench.settings import parse_settings
from workbench.wire import event_stream
from workbench.wire.sse import frame

pytestmark = pytest.mark.anyio

CHAT, EMBEDDINGS = "chat/completions", "embeddings"

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {
    "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}}}  # fmt: skip
USER = [{"role": "user", "content": "hi"}]

CONFIG = {
    "anthropic": '[providers.p]\nkind = "anthropic"\nbase_url = "{url}"\ncredential = {{ env = "K" }}',
    "gemini": '[providers.p]\nkind = "gemini"\nbase_url = "{url}"\ncredential = {{ env = "K" }}',
    "bedrock": '[providers.p]\nkind = "bedrock"\nbase_url = "{url}"\nregion = "eu-west-1"\n'
    'credential = {{ env = "AWS" }}',
    "vertex": '[providers.p]\nkind = "vertex"\nbase_url = "{url}"\nproject = "pro"\nlocation = "europe-west4"\n'
    'credential = {{ env = "ACCOUNT" }}',
    "mistral": '[providers.p]\nkind = "litellm"\nbase_url = "{url}/v1"\nlitellm_provider = "mistral"\n'
    'credential = {{ env = "K" }}',
    "voyage": '[providers.p]\nkind = "litellm"\nbase_url = "{url}/v1"\nlitellm_provider = "voyage"\n'
    'credential = {{ env = "K" }}',
    "cohere": '[providers.p]\nkind = "litellm"\nbase_url = "{url}/v2/chat"\ncredential = {{ env = "K" }}',
    "azure": '[providers.p]\nkind = "azure"\nbase_url = "{url}"\napi_version = "2024-10-21"\n'
    'credential = {{ env = "K" }}',
    "azure_v1": '[providers.p]\nkind = "azure"\nbase_url = "{url}/openai/v1"\ncredential = {{ env = "K" }}',
}  # fmt: skip


@pytest.fixture
def open_provider(service_account) -> Callable[..., Any]:
    """Open a provider of a kind at a URL."""

    @asynccontextmanager
    async def opened(kind: str, url: str) -> AsyncIterator[Provider]:
        environ = {"K": "configured", "AWS": "AKID:secret", "ACCOUNT": service_account(f"{url}/token")}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            text = CONFIG[kind].format(url=url)
            settings = parse_settings(text, file=Path("workbench.toml"))
            client = HttpClient(settings.gateway.timeouts)
            await client.open()
            provider = make_provider("p", settings.providers["p"], settings=settings, client=client)
            try:
                await provider.prepare()
                yield provider
            finally:
                await client.close()

    return opened


@dataclass(frozen=True)
class Asked:
    """A question as a provider sees it."""

    operation: str
    fields: dict[str, Any]
    forwarded: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    form: Any = None
    binary: bool = False

    def body_for(self, model: str) -> bytes:
        return json.dumps({**self.fields, "model": model}).encode()


def ask(operation: str = CHAT, **fields: Any) -> Any:
    return Asked(operation, {**({"messages": USER} if operation == CHAT else {}), **fields})


def answering(serve, *answers: Any, status: int = 200, kind: str | None = None):
    """A server that gives tokens at /token and else these answers, one after the other, the last one for ever."""

    def answer(asked):
        if asked.path == "/token":
            return 200, {"access_token": "ya29", "expires_in": 3600}
        number = sum(one.path != "/token" for one in server.asked)
        told = answers[min(number, len(answers)) - 1]
        return status, told(asked) if callable(told) else told

    server = serve(answer)
    return server


def sent(server) -> dict[str, Any]:
    return json.loads(server.asked[-1].body)


async def chunks(stream) -> list[Any]:
    events = []
    while got := await stream.next():
        events += got
        if got[-1].data == b"[DONE]":
            break
    stream.abort()
    return [event.data.decode() if event.data == b"[DONE]" else json.loads(event.data) for event in events]


def text_of(found: list[Any]) -> str:
    return "".join(c["delta"].get("content") or "" for one in found[:-1] for c in one.get("choices", ()))


# -- Gemini ----------------------------------------------------------------------------------------------------------

GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 18,
                      "cachedContentTokenCount": 4, "thoughtsTokenCount": 5},
    "modelVersion": "gemini-2.5-flash-001", "responseId": "r1",
}  # fmt: skip


def gemini_frames(*, end: bool = True) -> bytes:
    head = {"modelVersion": "gemini-2.5-flash-001", "responseId": "r1"}
    first = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hel"}]}, "index": 0}], **head}
    return b"".join(frame(json.dumps(one).encode()) for one in ([first, GEMINI] if end else [first]))


async def test_gemini_answers_plain_with_its_usage(serve, open_provider):
    server = answering(serve, GEMINI)
    async with open_provider("gemini", server.url) as provider:
        whole = await provider.answer(ask(max_tokens=9, temperature=0.5, user="ana", n=1), "gemini-2.5-flash")
    told = json.loads(whole.body)
    assert told["object"] == "chat.completion"
    assert told["choices"][0]["message"]["content"] == "hello"
    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["usage"]["prompt_tokens"] == 10
    assert told["usage"]["completion_tokens"] == 8
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert told["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5
    (asked,) = server.asked
    assert asked.path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert asked.headers["x-goog-api-key"] == "configured"
    assert sent(server)["generationConfig"] == {"max_output_tokens": 9, "temperature": 0.5}


async def test_gemini_streams_and_ends_truthfully(serve, open_provider):
    server = answering(serve, gemini_frames(), gemini_frames(end=False))
    async with open_provider("gemini", server.url) as provider:
        whole = await chunks(await provider.stream(ask(stream=True), "gemini-2.5-flash"))
        cut = await chunks(await provider.stream(ask(stream=True), "gemini-2.5-flash"))
    assert server.asked[0].path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert text_of(whole) == "helhello"
    assert whole[0]["choices"][0]["delta"]["role"] == "assistant"
    assert whole[-1] == "[DONE]"
    assert whole[-2]["choices"] == []
    assert whole[-2]["usage"]["completion_tokens"] == 8
    assert {one["id"] for one in whole[:-1]} == {"r1"}
    assert cut[-1] != "[DONE]"


async def test_geminis_error_in_a_stream_is_told_in_its_words(serve, open_provider):
    failed = frame(json.dumps({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}).encode())
    server = answering(serve, gemini_frames(end=False) + failed)
    async with open_provider("gemini", server.url) as provider:
        found = await chunks(await provider.stream(ask(stream=True), "gemini-2.5-flash"))
    assert found[-1] == {"error": {"message": "overloaded", "type": "UNAVAILABLE", "code": "provider_error"}}


async def test_tools_images_and_schemas_reach_gemini(serve, open_provider):
    called = {"candidates": [{"content": {"role": "model", "parts": [
        {"functionCall": {"name": "weather", "args": {"city": "Rom"}}},
        {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}}]}, "finishReason": "STOP"}],
        "usageMetadata": GEMINI["usageMetadata"]}  # fmt: skip
    server = answering(serve, called, GEMINI, GEMINI)
    async with open_provider("gemini", server.url) as provider:
        whole = await provider.answer(ask(tools=[TOOL], tool_choice="required"), "gemini-2.5-flash")
        choice = json.loads(whole.body)["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        calls = choice["message"]["tool_calls"]
        assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Rom", "Ulm"]
        assert sent(server)["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "20"} for call in calls]
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        messages = [*USER, choice["message"], *results, {"role": "user", "content": [image]}]
        await provider.answer(ask(messages=messages, tools=[TOOL]), "gemini-2.5-flash")
        contents = sent(server)["contents"]
        assert sum("function_response" in part for turn in contents for part in turn["parts"]) == 2
        assert PIXEL in json.dumps(contents)
        await provider.answer(ask(response_format=SCHEMA, reasoning_effort="low"), "gemini-2.5-flash")
    config = sent(server)["generationConfig"]
    assert config["response_mime_type"] == "application/json"
    assert config["thinkingConfig"]["thinkingBudget"] > 0


async def test_two_answers_and_thoughts_of_gemini_stay_apart(serve, open_provider):
    def part(text, *, index, **more):
        return {"content": {"role": "model", "parts": [{"text": text, **more}]}, "index": index}

    first = {"candidates": [part("hm", index=0, thought=True)], "responseId": "r1"}
    second = {"candidates": [part("a", index=0), part("b", index=1)], "responseId": "r1"}
    ended = {**GEMINI, "candidates": [{**part("A", index=0), "finishReason": "STOP"}]}
    last = {"candidates": [{**part("B", index=1), "finishReason": "MAX_TOKENS"}], "responseId": "r1"}
    pieces = [frame(json.dumps(one).encode()) for one in (first, second, ended, last)]
    server = answering(serve, b"".join(pieces), b"".join(pieces[:3]))
    async with open_provider("gemini", server.url) as provider:
        found = await chunks(await provider.stream(ask(stream=True, n=2), "gemini-2.5-flash"))
        cut = await chunks(await provider.stream(ask(stream=True, n=2), "gemini-2.5-flash"))
    told: dict[int, str] = {0: "", 1: ""}
    ends, thoughts = {}, ""
    for one in found[:-1]:
        for choice in one["choices"]:
            told[choice["index"]] += choice["delta"].get("content") or ""
            thoughts += choice["delta"].get("reasoning_content") or ""
            if choice["finish_reason"]:
                ends[choice["index"]] = choice["finish_reason"]
    assert (told, thoughts, ends) == ({0: "aA", 1: "bB"}, "hm", {0: "stop", 1: "length"})
    assert sent(server)["generationConfig"]["candidate_count"] == 2
    assert found[-1] == "[DONE]"
    assert cut[-1] != "[DONE]", "one of two answers is not whole"


async def test_a_prompt_that_gemini_blocks_is_told_as_filtered(serve, open_provider):
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3,
               "totalTokenCount": 3}, "modelVersion": "m", "responseId": "r1"}  # fmt: skip
    server = answering(serve, blocked, frame(json.dumps(blocked).encode()))
    async with open_provider("gemini", server.url) as provider:
        whole = await provider.answer(ask(), "gemini-2.5-flash")
        found = await chunks(await provider.stream(ask(stream=True), "gemini-2.5-flash"))
    assert json.loads(whole.body)["choices"][0]["finish_reason"] == "content_filter"
    assert [c["finish_reason"] for one in found[:-1] for c in one["choices"]][-1] == "content_filter"
    assert found[-1] == "[DONE]"


async def test_sound_reaches_gemini_and_not_who_has_no_ears(serve, open_provider):
    sound = base64.b64encode(b"RIFF" + bytes(100)).decode()
    part = {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "what is said?"}, part]}]
    server = answering(serve, GEMINI)
    async with open_provider("gemini", server.url) as provider:
        await provider.answer(ask(messages=messages), "gemini-2.5-flash")
    assert sound in json.dumps(sent(server))
    async with open_provider("vertex", server.url) as provider:
        with pytest.raises(InvalidInput):
            await provider.answer(ask(messages=messages, max_tokens=9), "claude-sonnet-4-5")


@pytest.mark.parametrize(("kind", "model"), [("anthropic", "claude-sonnet-4-5"), ("vertex", "claude-sonnet-4-5"),
                                              ("bedrock", "amazon.nova-pro-v1:0")])  # fmt: skip
async def test_no_content_part_is_lost_however_short(serve, open_provider, kind, model):
    server = answering(serve, GEMINI)
    text = {"type": "text", "text": "what is this?"}
    parts = [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "hologram", "hologram": {"data": "x"}},
    ]
    async with open_provider(kind, server.url) as provider:
        for part in parts:
            with pytest.raises(InvalidInput, match=part["type"]) as told:
                await provider.answer(ask(messages=[{"role": "user", "content": [text, part]}], max_tokens=9), model)
            assert told.value.param == "messages"
    assert [one for one in server.asked if one.path != "/token"] == []


@pytest.mark.parametrize(("kind", "model"), [("anthropic", "claude-sonnet-4-5"), ("vertex", "claude-sonnet-4-5"),
                                              ("bedrock", "amazon.nova-pro-v1:0")])  # fmt: skip
async def test_nothing_is_said_in_the_place_of_an_empty_message(serve, open_provider, kind, model):
    server = answering(serve, GEMINI)
    hello = {"role": "user", "content": "hello"}
    async with open_provider(kind, server.url) as provider:
        for content in ("", " ", [{"type": "text", "text": ""}]):
            for messages in ([{"role": "user", "content": content}],
                             [hello, {"role": "assistant", "content": content}, hello]):  # fmt: skip
                with pytest.raises(InvalidInput, match=r"messages\[[01]\] has an empty text"):
                    await provider.answer(ask(messages=messages, max_tokens=9), model)
    assert [one for one in server.asked if one.path != "/token"] == []


CALLED = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
                                               "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip


@pytest.mark.parametrize(("wrong", "told"), [
    ([{"role": "wizard", "content": "hi"}], r"messages\[1\].role is 'wizard'"),
    ([{"role": "assistant", "audio": {"id": "audio_1"}}], r"messages\[1\].audio"),
    ([{"role": "tool", "tool_call_id": "x", "content": "r"}], r"messages\[1\] answers the tool call 'x'"),
    ([CALLED, {"role": "tool", "tool_call_id": "x", "content": "r"}], r"messages\[2\] answers the tool call 'x'"),
    ([{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{bad"}}]}],
     r"messages\[1\].tool_calls\[0\].function.arguments is '{bad'"),
    ([{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[1]"}}]}],
     "no JSON object"),
    ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], r"messages\[1\].tool_calls\[0\] names no function"),
])  # fmt: skip
@pytest.mark.parametrize(("kind", "model"), [("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash"),
                                              ("bedrock", "amazon.nova-pro-v1:0")])  # fmt: skip
async def test_a_message_that_no_translation_could_read_is_named_by_its_place(
    serve, open_provider, kind, model, wrong, told
):
    server = answering(serve, GEMINI)
    async with open_provider(kind, server.url) as provider:
        with pytest.raises(InvalidInput, match=told):
            await provider.answer(ask(messages=[*USER, *wrong], max_tokens=9), model)
    assert server.asked == []


async def test_what_litellm_refuses_is_named_without_litellms_advice(serve, open_provider):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    server = answering(serve, GEMINI)
    async with open_provider("bedrock", server.url) as provider:
        with pytest.raises(InvalidInput, match="tool_choice") as told:
            await provider.answer(ask(tools=[tool], tool_choice="none"), "amazon.nova-pro-v1:0")
    assert (told.value.param, told.value.error_code) == ("tool_choice", "unsupported_parameter")
    assert "litellm" not in str(told.value).lower()
    assert server.asked == []


async def test_a_field_that_the_target_does_not_know_is_named(serve, open_provider):
    server = answering(serve, GEMINI)
    async with open_provider("gemini", server.url) as provider:
        for name, value in {"logit_bias": {"1": 5}, "prediction": {}, "web_search": 1, "extra_headers": {}}.items():
            with pytest.raises(InvalidInput, match=name) as told:
                await provider.answer(ask(**{name: value}), "gemini-2.5-flash")
            assert told.value.param == name
    assert server.asked == []


@pytest.mark.parametrize(
    ("kind", "model"),
    [("gemini", "gemini-2.5-flash"), ("vertex", "claude-sonnet-4-5"), ("bedrock", "amazon.nova-pro-v1:0")],
)
async def test_a_developers_message_is_the_systems(serve, open_provider, kind, model):
    server = answering(serve, GEMINI, status=400)
    async with open_provider(kind, server.url) as provider:
        for role in ("developer", "system"):
            with pytest.raises(CallerRefused):
                await provider.answer(ask(messages=[{"role": role, "content": "be brief"}, *USER]), model)
    first, second = (asked.body for asked in server.asked if "token" not in asked.path)
    assert first == second
    assert b"be brief" in first


LOST_BY_LITELLM = [
    ("gemini", "gemini-2.5-flash", {"tools": [TOOL], "parallel_tool_calls": False}),
    ("vertex", "claude-sonnet-4-5", {"response_format": {"type": "json_object"}}),
    ("bedrock", "amazon.nova-pro-v1:0", {"tools": [TOOL], "parallel_tool_calls": False}),
    ("bedrock", "meta.llama3-70b-instruct-v1:0", {"top_k": 5}),
    ("gemini", "gemini-2.5-flash", {"tools": [TOOL, {"type": "web_search"}]}),
    ("bedrock", "amazon.nova-pro-v1:0", {"tools": [TOOL, {"type": "custom", "custom": {"name": "x"}}]}),
    ("cohere", "cohere_chat/command-r", {"tools": [TOOL], "tool_choice": "none"}),
]


@pytest.mark.parametrize(("kind", "model", "fields"), LOST_BY_LITELLM)
async def test_a_field_that_litellm_takes_and_leaves_out_is_named(serve, open_provider, kind, model, fields):
    server = answering(serve, GEMINI)
    async with open_provider(kind, server.url) as provider:
        with pytest.raises(InvalidInput) as told:
            await provider.answer(ask(max_tokens=9, **fields), model)
    assert told.value.param == list(fields)[-1]
    assert [asked.path for asked in server.asked if asked.path != "/token"] == []


async def test_what_changes_nothing_may_stand_there(serve, open_provider):
    server = answering(serve, CLAUDE)
    harmless = {"n": 1, "logprobs": False, "user": "ana", "metadata": {"a": "b"}, "store": False, "seed": None,
                "tool_choice": "auto", "prompt_cache_key": "x", "reasoning_effort": "none",
                "parallel_tool_calls": True}  # fmt: skip
    async with open_provider("vertex", server.url) as provider:
        await provider.answer(ask(max_tokens=9, tools=[TOOL], **harmless), "claude-sonnet-4-5")
    assert sent(server)["metadata"] == {"user_id": "ana"}


@pytest.mark.parametrize(("kind", "model"), [("gemini", "gemini-embedding-001"), ("vertex", "text-embedding-005"),
                                              ("bedrock", "amazon.titan-embed-text-v2:0")])  # fmt: skip
async def test_vectors_are_not_answered_in_another_format_than_was_asked(serve, open_provider, kind, model):
    server = answering(serve, GEMINI)
    async with open_provider(kind, server.url) as provider:
        with pytest.raises(InvalidInput, match="int8") as told:
            await provider.answer(ask(EMBEDDINGS, input="hi", encoding_format="int8"), model)
    assert told.value.param == "encoding_format"
    assert [one for one in server.asked if one.path != "/token"] == []


async def test_gemini_embeds_as_numbers_and_in_base64(serve, open_provider):
    server = answering(serve, {"embeddings": [{"values": [0.5, 1.0]}, {"values": [0.25, 0.0]}]})
    async with open_provider("gemini", server.url) as provider:
        plain = await provider.answer(ask(EMBEDDINGS, input=["a", "b"], dimensions=2), "gemini-embedding-001")
        coded = await provider.answer(
            ask(EMBEDDINGS, input=["a", "b"], encoding_format="base64"), "gemini-embedding-001"
        )
    assert server.asked[0].path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert json.loads(server.asked[0].body)["requests"][1] == {
        "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "b"}]}, "outputDimensionality": 2,
    }  # fmt: skip
    assert [one["embedding"] for one in json.loads(plain.body)["data"]] == [[0.5, 1.0], [0.25, 0.0]]
    raw = base64.b64decode(json.loads(coded.body)["data"][1]["embedding"])
    assert struct.unpack("<2f", raw) == (0.25, 0.0)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}, ProviderCredential),
        (400, {"error": {"code": 400, "message": "too long", "status": "INVALID_ARGUMENT"}}, CallerRefused),
        (403, {"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, ProviderCredential),
        (429, {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]}}, ProviderLimit),
        (500, {"error": {"code": 500, "message": "oops", "status": "INTERNAL"}}, ProviderError),
    ],
)  # fmt: skip
async def test_geminis_refusals_mean_what_they_say(serve, open_provider, status, body, error):
    server = answering(serve, body, status=status)
    async with open_provider("gemini", server.url) as provider:
        with pytest.raises(error) as told:
            await provider.answer(ask(), "gemini-2.5-flash")
    if error is ProviderLimit:
        assert told.value.retry_after == 7
    if error is CallerRefused:
        assert told.value.error_code == "INVALID_ARGUMENT"


# -- Vertex ----------------------------------------------------------------------------------------------------------

CLAUDE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
          "stop_reason": "end_turn", "content": [{"type": "text", "text": "hello"}],
          "usage": {"input_tokens": 5, "output_tokens": 2}}  # fmt: skip


async def test_vertex_serves_gemini_with_a_token_of_the_service_account(serve, open_provider):
    server = answering(serve, GEMINI)
    async with open_provider("vertex", server.url) as provider:
        whole = await provider.answer(ask(), "gemini-2.5-flash")
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "hello"
    place = "/v1/projects/pro/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent"
    assert [asked.path for asked in server.asked] == ["/token", place]
    assert server.asked[1].headers["authorization"] == "Bearer ya29"


async def test_vertex_serves_claude(serve, open_provider):
    events = [
        ("message_start", {"message": {**CLAUDE, "content": [], "stop_reason": None}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hello"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        ("message_stop", {}),
    ]
    stream = b"".join(frame(json.dumps({"type": n, **f}).encode(), name=n) for n, f in events)
    server = answering(serve, CLAUDE, stream)
    async with open_provider("vertex", server.url) as provider:
        whole = await provider.answer(ask(max_tokens=5), "claude-sonnet-4-5@20250929")
        body = sent(server)
        found = await chunks(await provider.stream(ask(stream=True, max_tokens=5), "claude-sonnet-4-5@20250929"))
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "hello"
    assert (text_of(found), found[-1]) == ("hello", "[DONE]")
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    place = "/v1/projects/pro/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5%4020250929:"
    assert [asked.path for asked in server.asked[1:]] == [place + "rawPredict", place + "streamRawPredict"]


async def test_vertexs_open_models_are_relayed(serve, open_provider):
    parts = [{"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}}]},
             {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]  # fmt: skip
    stream = b"".join(frame(json.dumps(part).encode()) for part in parts) + frame(b"[DONE]")
    server = answering(serve, OPENAI, stream)
    async with open_provider("vertex", server.url) as provider:
        whole = await provider.answer(ask(logit_bias={"1": 2}), "meta/llama-3.3-70b-instruct-maas")
        found = await chunks(await provider.stream(ask(stream=True), "meta/llama-3.3-70b-instruct-maas"))
    assert json.loads(whole.body) == OPENAI
    assert (text_of(found), found[-1]) == ("hello", "[DONE]")
    assert server.asked[1].path == "/v1/projects/pro/locations/europe-west4/endpoints/openapi/chat/completions"
    assert sent(server)["model"] == "meta/llama-3.3-70b-instruct-maas"


async def test_vertex_embeds(serve, open_provider):
    def answer(asked):
        texts = [one["content"] for one in json.loads(asked.body)["instances"]]
        return {"predictions": [{"embeddings": {"values": [len(text)], "statistics": {"token_count": 2}}}
                                for text in texts]}  # fmt: skip

    server = answering(serve, answer)
    async with open_provider("vertex", server.url) as provider:
        whole = await provider.answer(ask(EMBEDDINGS, input=["a", "bbb"]), "text-embedding-005")
        single = await provider.answer(ask(EMBEDDINGS, input=["a", "bbb"]), "gemini-embedding-001")
    for one in (whole, single):
        told = json.loads(one.body)
        assert [vector["embedding"] for vector in told["data"]] == [[1], [3]]
        assert told["usage"]["prompt_tokens"] == 4
    assert len(server.asked) == 1 + 1 + 2


async def test_a_token_that_is_refused_is_fetched_anew_once(serve, open_provider):
    tokens = []

    def answer(asked):
        if asked.path == "/token":
            tokens.append(f"ya{len(tokens)}")
            return 200, {"access_token": tokens[-1], "expires_in": 3600}
        good = asked.headers["authorization"] == "Bearer ya1"
        return (200, GEMINI) if good else (401, {"error": {"code": 401, "message": "expired"}})

    server = serve(answer)
    async with open_provider("vertex", server.url) as provider:
        await provider.answer(ask(), "gemini-2.5-flash")
        assert tokens == ["ya0", "ya1"]
        tokens.clear()
        await provider.signin.refused({"authorization": "x"})
        tokens.append("gone")
        assert await provider.signin.refused(provider.signin.headers("POST", provider.base_url, b"", {}))
        tokens.append("too")
        with pytest.raises(ProviderCredential) as told:
            await provider.answer(ask(), "gemini-2.5-flash")
    assert told.value.status == 502
    assert len(tokens) == 4, "one token to begin with, one more after the 401, and no third"


# -- Bedrock ---------------------------------------------------------------------------------------------------------

CONVERSE = {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 7, "outputTokens": 2, "totalTokens": 13, "cacheReadInputTokens": 4},
            "metrics": {"latencyMs": 1}}  # fmt: skip
NOVA = "eu.amazon.nova-pro-v1:0"


def converse_stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(event_stream.event(name, json.dumps(fields).encode()) for name, fields in events)


CONVERSE_EVENTS = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hel"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": CONVERSE["usage"], "metrics": {"latencyMs": 1}}),
]


async def test_bedrock_answers_by_converse_signed(serve, open_provider):
    server = answering(serve, CONVERSE)
    async with open_provider("bedrock", server.url) as provider:
        whole = await provider.answer(ask(max_tokens=9, stop=["x"]), NOVA)
    told = json.loads(whole.body)
    assert told["choices"][0]["message"]["content"] == "hello"
    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["usage"]["completion_tokens"] == 2
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    (asked,) = server.asked
    assert asked.path == "/model/eu.amazon.nova-pro-v1%3A0/converse"
    assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert sent(server)["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert sent(server)["inferenceConfig"] == {"maxTokens": 9, "stopSequences": ["x"]}


async def test_bedrock_streams_events_and_ends_truthfully(serve, open_provider):
    server = answering(serve, converse_stream(*CONVERSE_EVENTS), converse_stream(*CONVERSE_EVENTS[:3]))
    async with open_provider("bedrock", server.url) as provider:
        found = await chunks(await provider.stream(ask(stream=True), NOVA))
        cut = await chunks(await provider.stream(ask(stream=True), NOVA))
    assert server.asked[0].path.endswith("/converse-stream")
    assert text_of(found) == "hello"
    assert [c["finish_reason"] for one in found[:-1] for c in one["choices"]][-1] == "stop"
    assert found[-2]["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert found[-1] == "[DONE]"
    assert cut[-1] != "[DONE]"


async def test_bedrocks_tools_stream_in_pieces(serve, open_provider):
    events = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"city"'}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": ':"Rom"}'}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t2", "name": "weather"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city":"Ulm"}'}}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("messageStop", {"stopReason": "tool_use"}),
        CONVERSE_EVENTS[-1],
    ]
    server = answering(serve, converse_stream(*events))
    async with open_provider("bedrock", server.url) as provider:
        found = await chunks(await provider.stream(ask(stream=True, tools=[TOOL], max_tokens=5), NOVA))
    calls: dict[int, dict[str, str]] = {}
    for one in found[:-1]:
        for choice in one["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                kept = calls.setdefault(call["index"], {"arguments": ""})
                kept["arguments"] += call["function"].get("arguments") or ""
                if call.get("id"):
                    assert "id" not in kept, "the id comes once"
                    kept["id"] = call["id"]
    assert calls == {0: {"id": "t1", "arguments": '{"city":"Rom"}'}, 1: {"id": "t2", "arguments": '{"city":"Ulm"}'}}
    assert found[-3]["choices"][0]["finish_reason"] == "tool_calls"
    assert sent(server)["toolConfig"]["tools"][0]["toolSpec"]["name"] == "weather"


async def test_bedrocks_reasoning_comes_back_and_goes_on(serve, open_provider):
    thought = {"reasoningText": {"text": "hm", "signature": "sig"}}
    content = [{"reasoningContent": thought}, {"text": "hello"}]
    plain = {**CONVERSE, "output": {"message": {"role": "assistant", "content": content}}}
    events = [
        CONVERSE_EVENTS[0],
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "sig"}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        *CONVERSE_EVENTS[1:],
    ]
    claude = "anthropic.claude-sonnet-4-20250514-v1:0"
    server = answering(serve, plain, converse_stream(*events), plain)
    async with open_provider("bedrock", server.url) as provider:
        whole = await provider.answer(ask(max_tokens=4000, reasoning_effort="low"), claude)
        found = await chunks(await provider.stream(ask(stream=True, max_tokens=4000, reasoning_effort="low"), claude))
        message = json.loads(whole.body)["choices"][0]["message"]
        await provider.answer(ask(messages=[*USER, message, *USER], max_tokens=4000, reasoning_effort="low"), claude)
    assert message["reasoning_content"] == "hm"
    assert "".join(c["delta"].get("reasoning_content") or "" for o in found[:-1] for c in o["choices"]) == "hm"
    assert text_of(found) == "hello"
    assert thought in [part.get("reasoningContent") for part in sent(server)["messages"][1]["content"]]


async def test_bedrocks_exception_in_a_stream_is_told(serve, open_provider):
    stream = converse_stream(*CONVERSE_EVENTS[:2]) + event_stream.exception(
        "throttlingException", b'{"message": "slow down"}'
    )
    server = answering(serve, stream)
    async with open_provider("bedrock", server.url) as provider:
        found = await chunks(await provider.stream(ask(stream=True), NOVA))
    assert found[-1]["error"]["message"] == "slow down"
    assert found[-1]["error"]["type"] == "throttlingException"


async def test_cache_marks_are_kept_for_bedrock(serve, open_provider):
    server = answering(serve, CONVERSE)
    marked = [{"role": "system", "content": [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]}]
    async with open_provider("bedrock", server.url) as provider:
        await provider.answer(ask(messages=marked + USER), "anthropic.claude-sonnet-4-20250514-v1:0")
    assert {"cachePoint": {"type": "default"}} in sent(server)["system"]


async def test_bedrock_embeds_one_text_at_a_time_by_titan_and_many_by_cohere(serve, open_provider):
    def titan(asked):
        body = json.loads(asked.body)
        if "texts" in body:
            return {"embeddings": [[len(text)] for text in body["texts"]]}
        return {"embedding": [len(body["inputText"])], "inputTextTokenCount": 3}

    server = answering(serve, titan)
    texts = ["a" * size for size in range(1, 20)]
    async with open_provider("bedrock", server.url) as provider:
        whole = await provider.answer(ask(EMBEDDINGS, input=texts), "amazon.titan-embed-text-v2:0")
        assert len(server.asked) == len(texts)
        many = await provider.answer(ask(EMBEDDINGS, input=texts), "cohere.embed-english-v3")
        assert len(server.asked) == len(texts) + 1
        with pytest.raises(InvalidInput, match="dimensions"):
            await provider.answer(ask(EMBEDDINGS, input=texts, dimensions=4), "cohere.embed-english-v3")
        with pytest.raises(InvalidInput, match="no embedding model"):
            await provider.answer(ask(EMBEDDINGS, input=texts), NOVA)
    for one in (whole, many):
        assert [vector["embedding"][0] for vector in json.loads(one.body)["data"]] == list(range(1, 20))
    assert json.loads(whole.body)["usage"]["prompt_tokens"] == 3 * len(texts)


async def test_bedrocks_refusals_mean_what_they_say(serve, open_provider):
    server = answering(serve, {"message": "The model is not there"}, status=400)
    async with open_provider("bedrock", server.url) as provider:
        with pytest.raises(CallerRefused, match="The model is not there"):
            await provider.answer(ask(), NOVA)
    server = answering(serve, {"message": "Too many requests"}, status=429)
    async with open_provider("bedrock", server.url) as provider:
        with pytest.raises(ProviderLimit, match="Too many requests"):
            await provider.answer(ask(), NOVA)
    server = answering(serve, {"Message": "The security token is invalid."}, status=403)
    async with open_provider("bedrock", server.url) as provider:
        with pytest.raises(ProviderCredential):
            await provider.answer(ask(), NOVA)
    assert len(server.asked) == 1, "configured keys are not tried twice"


# -- what else litellm knows -----------------------------------------------------------------------------------------

OPENAI = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}}  # fmt: skip


async def test_mistral_is_answered_by_litellm_at_the_configured_place(serve, open_provider):
    parts = [
        {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hel"}}]},
        {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}],
         "usage": OPENAI["usage"]},
    ]  # fmt: skip
    stream = b"".join(frame(json.dumps(part).encode()) for part in parts) + frame(b"[DONE]")
    server = answering(serve, OPENAI, stream)
    async with open_provider("mistral", server.url) as provider:
        whole = await provider.answer(ask(temperature=0.5), "mistral-large-latest")
        found = await chunks(await provider.stream(ask(stream=True), "mistral-large-latest"))
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "hello"
    assert text_of(found) == "hello"
    assert found[-1] == "[DONE]"
    assert found[-2]["usage"]["completion_tokens"] == 2
    assert [asked.path for asked in server.asked] == ["/v1/chat/completions"] * 2
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer configured"}
    assert json.loads(server.asked[0].body)["temperature"] == 0.5


async def test_cohere_is_answered_by_litellm_named_in_the_model(serve, open_provider):
    told = {"id": "x", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [
        {"type": "text", "text": "hello"}]}, "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}  # fmt: skip
    server = answering(serve, told)
    async with open_provider("cohere", server.url) as provider:
        whole = await provider.answer(ask(), "cohere_chat/command-r")
        with pytest.raises(InvalidInput, match="litellm knows no provider 'nobody'"):
            await provider.answer(ask(), "nobody/model")
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "hello"
    assert server.asked[0].path == "/v2/chat"
    assert sent(server)["model"] == "command-r"


async def test_voyage_embeds_and_ranks_by_litellm(serve, open_provider):
    def answer(asked):
        body = json.loads(asked.body)
        if "documents" in body:
            found = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]
            return {"object": "list", "data": found, "model": "rerank-2", "usage": {"total_tokens": 5}}
        data = [{"index": at, "embedding": [len(text)]} for at, text in enumerate(body["input"])]
        return {"object": "list", "data": data[::-1], "model": "voyage-3", "usage": {"total_tokens": 7}}

    server = answering(serve, answer)
    async with open_provider("voyage", server.url) as provider:
        embedded = await provider.answer(ask(EMBEDDINGS, input=["a", "bbb"]), "voyage-3")
        wish = {"query": "noodles", "documents": ["soup", "noodle soup"], "top_n": 2}
        ranked = await provider.answer(ask("rerank", **wish), "rerank-2")
        with pytest.raises(InvalidInput, match="rank_fields"):
            await provider.answer(ask("rerank", **wish, rank_fields=["a"]), "rerank-2")
    assert [one["embedding"] for one in json.loads(embedded.body)["data"]] == [[1], [3]]
    found = json.loads(ranked.body)["results"]
    assert [(one["index"], one["relevance_score"]) for one in found] == [(1, 0.9), (0, 0.2)]
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer configured"}
    assert {asked.path for asked in server.asked} <= {"/v1/embeddings", "/v1/rerank"}


async def test_mistrals_embeddings_are_openais(serve, open_provider):
    server = answering(serve, {"object": "list", "data": [], "usage": {"prompt_tokens": 1}})
    async with open_provider("mistral", server.url) as provider:
        await provider.answer(ask(EMBEDDINGS, input=["a"]), "mistral-embed")
    assert (server.asked[0].path, sent(server)) == ("/v1/embeddings", {"input": ["a"], "model": "mistral-embed"})


# -- Azure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("azure", "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        ("azure_v1", "/openai/v1/chat/completions"),
    ],
)
async def test_azure_is_relayed_at_both_its_places(serve, open_provider, kind, path):
    server = answering(serve, OPENAI)
    async with open_provider(kind, server.url) as provider:
        whole = await provider.answer(ask(logit_bias={"1": 2}, unheard_of=1), "my/gpt")
    assert json.loads(whole.body) == OPENAI
    (asked,) = server.asked
    assert (asked.path, asked.headers["api-key"]) == (path, "configured")
    assert "authorization" not in asked.headers
    assert sent(server) == {"model": "my/gpt", "messages": USER, "logit_bias": {"1": 2}, "unheard_of": 1}
