"""`/v1/chat/completions`. The gateway checks the types of OpenAI's fields; others pass as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operation import Operation
from workbench.gateway.unified.question import Question, raw_fields

Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""A number of tokens or answers."""
_Object = dict[str, Any]


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Object | str | None = None
    input_audio: _Object | None = None
    file: _Object | None = None
    cache_control: _Object | None = None


class _Called(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: _Called | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: _Object | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Schema(msgspec.Struct):
    name: str | None = None
    schema: _Object | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class StreamOptions(msgspec.Struct):
    """How a stream is wished."""

    include_usage: bool | None = None


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    audio: _Object | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    metadata: _Object | None = None
    modalities: list[str] | None = None
    n: Count | None = None
    parallel_tool_calls: bool | None = None
    prediction: _Object | None = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    reasoning_effort: str | None = None
    response_format: _Format | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    tool_choice: str | _Object | None = None
    tools: list[_Tool] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: _Object | None = None


_chat = msgspec.json.Decoder(_Chat)


def read_chat(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of chat/completions; raises InvalidInput."""
    chat = decode(body, _chat)
    if not chat.messages:
        raise InvalidInput("messages is empty.", hint="Send at least one message.", param="messages")
    stream = chat.stream is True
    older = chat.max_tokens is not None and chat.max_completion_tokens is None
    return Question(
        operation="chat/completions",
        model=chat.model,
        size=len(body),
        fields=raw_fields(body),
        forwarded=forwarded,
        stream=stream,
        asks_usage=True,
        wants_usage=stream and chat.stream_options is not None and chat.stream_options.include_usage is True,
        choices=chat.n or 1,
        output_limit=chat.max_tokens if older else chat.max_completion_tokens,
        limit_field="max_tokens" if older else "max_completion_tokens",
    )


CHAT = Operation("/v1/chat/completions", "chat", read_chat, names_objects=True)
