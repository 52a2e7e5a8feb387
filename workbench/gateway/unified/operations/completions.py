"""`/v1/completions`: a text goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operation import Operation
from workbench.gateway.unified.operations.chat import Count, StreamOptions
from workbench.gateway.unified.operations.embeddings import check_texts
from workbench.gateway.unified.question import Question, raw_fields


class _Completion(msgspec.Struct):
    model: str
    prompt: str | list[Any] | None = None
    best_of: Count | None = None
    echo: bool | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    max_tokens: Count | None = None
    n: Count | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None


_completion = msgspec.json.Decoder(_Completion)


def read_completion(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of completions; raises InvalidInput."""
    wish = decode(body, _completion)
    several = 1
    if wish.prompt is not None:
        check_texts(wish.prompt, "prompt")
        if isinstance(wish.prompt, list) and not isinstance(wish.prompt[0], int):
            several = len(wish.prompt)
    stream = wish.stream is True
    return Question(
        operation="completions",
        model=wish.model,
        size=len(body),
        fields=raw_fields(body),
        forwarded=forwarded,
        stream=stream,
        asks_usage=True,
        wants_usage=stream and wish.stream_options is not None and wish.stream_options.include_usage is True,
        choices=max(wish.n or 1, wish.best_of or 1) * several,
        output_limit=wish.max_tokens,
        limit_field="max_tokens",
    )


COMPLETIONS = Operation("/v1/completions", "chat", read_completion)
