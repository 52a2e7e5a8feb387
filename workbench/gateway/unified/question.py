"""What a caller asks on a unified path: the few fields that the gateway reads, and all the others as they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.reader import Reader
from workbench.gateway.unified.body import decode

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None


class _Named(msgspec.Struct):
    type: str


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[_Named] | None = None
    response_format: _Named | None = None


class _Embeddings(msgspec.Struct):
    model: str
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: int | None = None


_chat = msgspec.json.Decoder(_Chat)
_embeddings = msgspec.json.Decoder(_Embeddings)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it goes to a provider."""

    operation: str
    """Path below a provider's base URL."""
    model: str
    """The name that the caller used."""
    stream: bool
    """Whether the answer comes in pieces."""
    wants_usage: bool
    """Whether the caller asked for the frame that tells the usage."""
    size: int
    """Bytes of the request body."""
    fields: dict[str, msgspec.Raw]
    """The body's fields, not understood."""
    forwarded: Mapping[str, str]
    """Request headers that the provider may see."""
    reader: Callable[[], Reader] = UsageReader
    """What reads one answer to it."""

    def body_for(self, model: str) -> bytes:
        """Return the body for a provider: every field as it came but the model's name, and usage always asked for."""
        fields = dict(self.fields)
        fields["model"] = msgspec.Raw(msgspec.json.encode(model))
        if self.stream and not self.wants_usage:
            asked = fields.get("stream_options")
            options = (msgspec.json.decode(asked) if asked is not None else None) or {}
            fields["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": True}))
        return msgspec.json.encode(fields)


def read_chat(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of chat/completions; raises InvalidInput."""
    chat = decode(body, _chat)
    if not chat.messages:
        raise InvalidInput("messages is empty.", hint="Send at least one message.", param="messages")
    stream = chat.stream is True
    return Question(
        operation="chat/completions",
        model=chat.model,
        stream=stream,
        wants_usage=stream and chat.stream_options is not None and chat.stream_options.include_usage is True,
        size=len(body),
        fields=_raw_object.decode(body),
        forwarded=forwarded,
    )


def read_embeddings(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of embeddings; raises InvalidInput."""
    wish = decode(body, _embeddings)
    if not wish.input:
        raise InvalidInput("input is empty.", hint="Send a text, or a list of texts.", param="input")
    _check_inputs(wish.input)
    return Question(
        operation="embeddings",
        model=wish.model,
        stream=False,
        wants_usage=False,
        size=len(body),
        fields=_raw_object.decode(body),
        forwarded=forwarded,
    )


def _check_inputs(inputs: str | list[Any]) -> None:
    if isinstance(inputs, str):
        return
    kinds = {type(one) for one in inputs}
    if kinds == {list}:
        kinds = {type(token) for one in inputs for token in one}
        if kinds == {int} and all(inputs):
            return
    elif kinds in ({str}, {int}) and "" not in inputs:
        return
    raise InvalidInput(
        "input holds what can't be embedded.",
        hint="Send a text, a list of texts that are not empty, or lists of token numbers.",
        param="input",
    )
