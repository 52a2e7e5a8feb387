"""`/v1/responses`: the body of OpenAI's newer protocol for chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai_events import ResponsesReader
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operations.chat import Count
from workbench.gateway.unified.question import Question, raw_fields

PATH, TASK = "/v1/responses", "chat"
_Object = dict[str, Any]


class _Typed(msgspec.Struct):
    type: str


class _Text(msgspec.Struct):
    format: _Typed | None = None
    verbosity: str | None = None


class Wish(msgspec.Struct):
    """The fields of a body that the gateway knows."""

    model: str
    input: str | list[_Object] | None = None
    background: bool | None = None
    conversation: str | _Object | None = None
    include: list[str] | None = None
    instructions: str | list[Any] | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: int | None = None
    metadata: _Object | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: _Object | None = None
    reasoning: _Object | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: _Object | None = None
    temperature: float | None = None
    text: _Text | None = None
    tool_choice: str | _Object | None = None
    tools: list[_Typed] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: str | None = None
    user: str | None = None


_wish = msgspec.json.Decoder(Wish)
_containers = msgspec.json.Decoder(list[_Object])


def read_response(body: bytes, forwarded: Mapping[str, str]) -> tuple[Question, Wish]:
    """Read the body of responses; raises InvalidInput."""
    wish = decode(body, _wish)
    if not wish.input and wish.prompt is None:
        raise InvalidInput("input is empty.", hint="Send a text, or a list of items.", param="input")
    if wish.conversation is not None:
        raise InvalidInput(
            "Conversations are not kept here.",
            hint="Go on with previous_response_id, or send the whole conversation as input.",
            code="unsupported_parameter",
            param="conversation",
        )
    fields = raw_fields(body)
    if wish.tools and any(isinstance(tool.get("container"), str) for tool in _containers.decode(fields["tools"])):
        raise InvalidInput(
            "A container can't be named: whose it is, nobody knows here.",
            hint='Send {"type": "auto"}.',
            code="unsupported_parameter",
            param="tools",
        )
    question = Question(
        operation="responses",
        model=wish.model,
        size=len(body),
        fields=fields,
        forwarded=forwarded,
        stream=wish.stream is True,
        reader=ResponsesReader,
        output_limit=wish.max_output_tokens,
        limit_field="max_output_tokens",
    )
    return question, wish
