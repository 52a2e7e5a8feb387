"""What a batch can cost at worst: the sum over its lines, at the dearest price of a batch that is known to come.

Only lines of which a bound is certain are summed: fields that are known to add no cost of their own, and texts.
Whatever else a line holds (tools of the provider, pictures, files, predictions) leaves the sum unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from workbench.errors import WorkbenchError
from workbench.gateway.admission.worst import worst
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.unified.operations.chat import read_chat
from workbench.gateway.unified.operations.completions import read_completion
from workbench.gateway.unified.operations.embeddings import read_embeddings
from workbench.gateway.unified.operations.moderations import read_moderation
from workbench.gateway.unified.operations.responses import read_response
from workbench.gateway.unified.question import Question
from workbench.wire.usage import Usage

_READ: Mapping[str, Callable[[bytes], Question]] = {
    "/v1/chat/completions": lambda body: read_chat(body, {}),
    "/v1/completions": lambda body: read_completion(body, {}),
    "/v1/embeddings": lambda body: read_embeddings(body, {}),
    "/v1/moderations": lambda body: read_moderation(body, {}),
    "/v1/responses": lambda body: read_response(body, {})[0],
}
_SHAPES = frozenset({"model", "user", "metadata", "safety_identifier", "prompt_cache_key", "stream", "store"})
_SAMPLING = frozenset({
    "temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs",
    "top_logprobs", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity", "response_format",
})  # fmt: skip
_BOUNDED: Mapping[str, frozenset[str]] = {
    "/v1/chat/completions": _SHAPES | _SAMPLING | {
        "messages", "n", "max_tokens", "max_completion_tokens", "tools", "functions", "function_call",
    },
    "/v1/completions": _SHAPES | _SAMPLING | {"prompt", "n", "suffix", "max_tokens"},
    "/v1/embeddings": _SHAPES | {"input", "dimensions", "encoding_format"},
    "/v1/moderations": _SHAPES | {"input"},
    "/v1/responses": _SHAPES | _SAMPLING | {
        "input", "instructions", "max_output_tokens", "tools", "text", "reasoning", "truncation",
    },
}  # fmt: skip
"""Fields by which a line costs no more than its texts and its longest answers."""
_TEXTS = frozenset({"text", "input_text", "output_text", "refusal"})
_TURN = frozenset({"role", "content", "name", "refusal", "tool_calls", "tool_call_id", "function_call"})
_ITEMS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"type", "role", "content", "id", "status"}),
    "function_call": frozenset({"type", "name", "arguments", "call_id", "id", "status"}),
    "function_call_output": frozenset({"type", "call_id", "output", "id", "status"}),
}
_FRAMED = frozenset({"/v1/chat/completions", "/v1/responses"})
_FRAME_TOKENS = 128
"""Tokens that a provider may put around a line's texts, as its own system prompt, and count."""
_TWO_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


class BatchMost:
    """The sum of one file."""

    def __init__(self) -> None:
        self._usd = 0.0
        self._is_known = True

    def add(self, url: str, body: bytes, prices: Iterable[Entry]) -> None:
        """Add a line: the path that it asks for, its body, and what is known of its model's prices, now and later."""
        try:
            question = _READ[url](body)
        except WorkbenchError:  # the provider tells what is wrong with it, or takes it all the same
            self._is_known = False
            return
        if not _is_bounded(url, question.fields):
            self._is_known = False
            return
        most = 0.0
        for known in prices:
            if known.rate is None:
                self._is_known = False
                return
            rate = known.rate.graded("batch")
            frame = rate.cost(Usage(input_tokens=_FRAME_TOKENS if url in _FRAMED else 0))
            most = max(most, frame + worst(question, question.most, known, rate).closer(question, rate).usd)
        self._usd += most

    @property
    def usd(self) -> float | None:
        """Return the most in US dollars; None where a price or a line's bound is not known."""
        return self._usd if self._is_known else None


def _is_bounded(url: str, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Tell whether a line costs no more than its texts and its answers."""
    given = {name for name, raw in fields.items() if bytes(raw) != b"null"}
    if not given <= _BOUNDED[url] or given >= _TWO_LIMITS:  # which of two limits holds is the provider's to say
        return False
    read = given & {"messages", "input", "prompt", "tools", "instructions"}
    try:
        told = {name: msgspec.json.decode(fields[name]) for name in read}
    except msgspec.DecodeError:  # a number that no float holds
        return False
    tools = told.get("tools", [])
    return (
        isinstance(tools, list)
        and all(isinstance(tool, dict) and tool.get("type") == "function" for tool in tools)
        and _all(told.get("messages", []), _is_turn)
        and (_all(told.get("input", []), _is_item) if url == "/v1/responses" else _is_plain(told.get("input", "")))
        and _is_plain(told.get("prompt", ""))
        and isinstance(told.get("instructions", ""), str)
    )


def _all(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(holds(one) for one in value))


def _is_turn(turn: Any) -> bool:
    if not isinstance(turn, dict) or not turn.keys() <= _TURN:
        return False
    return turn.get("content") is None or _is_text(turn["content"])


def _is_item(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(kind := item.get("type", "message"), str):
        return False
    known = _ITEMS.get(kind)
    return (
        known is not None
        and item.keys() <= known
        and _is_text(item.get("content", ""))
        and isinstance(item.get("output", ""), str)
    )


def _is_text(content: Any) -> bool:
    return _all(content, lambda part: isinstance(part, dict) and part.get("type") in _TEXTS)


def _is_plain(value: Any) -> bool:
    """Tell whether a prompt is a text, its tokens by their numbers, or a list of these."""
    if isinstance(value, list):
        return all(_is_plain(one) for one in value)
    return isinstance(value, str | int)
