"""Build what is sent; nothing here does any I/O, so the sync and the async client share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from workbench.errors import InvalidInput
from workbench.wire import headers
from workbench.wire.tags import write_tags

Message = Mapping[str, Any]


def chat_arguments(
    prompt: str | Sequence[Message],
    *,
    model: str,
    tags: Mapping[str, str] | None,
    parameters: Mapping[str, Any],
    known: frozenset[str],
    stream: bool = False,
) -> dict[str, Any]:
    """Return the arguments of the SDK's `chat.completions.create`; `known` are the names that it takes."""
    if isinstance(prompt, str):
        messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    else:
        messages = [dict(message) for message in prompt]
    if not messages:
        raise InvalidInput("The prompt has no messages.", param="prompt")
    check_parameters(parameters, known, "chat")
    arguments = {**parameters, "model": model, "messages": messages}
    if tags:
        arguments["extra_headers"] = {**(parameters.get("extra_headers") or {}), headers.TAGS: write_tags(tags)}
    if stream:
        arguments["stream"] = True
        arguments["stream_options"] = {**(parameters.get("stream_options") or {}), "include_usage": True}
    elif parameters.get("stream"):
        raise InvalidInput("chat() answers with the whole text.", hint="Use stream() for pieces.", param="stream")
    return arguments


def check_parameters(parameters: Mapping[str, Any], known: frozenset[str], kind: str) -> None:
    """Raise InvalidInput for a parameter that the SDK's call of that kind does not take."""
    for name in parameters:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise InvalidInput(
                f"The openai SDK takes no {kind} parameter {name!r}.",
                hint=f"{meant}What only a provider knows goes into extra_body={{...}}.",
                param=name,
            )


def batches(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Cut texts into lists of at most `size`; a single string is refused, because it is a sequence of letters."""
    if isinstance(texts, str):
        raise InvalidInput("embed() takes a list of texts.", hint="Write embed([text]).", param="texts")
    if size < 1:
        raise InvalidInput(f"batch_size is {size}.", hint="Use 1 or more.", param="batch_size")
    for start in range(0, len(texts), size):
        yield list(texts[start : start + size])
