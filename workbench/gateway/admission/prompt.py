"""A closer bound of a prompt's tokens than the bytes of its request: of its texts alone, without the JSON around them.

No tokenizer makes more tokens than bytes of a text. Asked for only where the bytes of the request do not fit a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_FRAME = 16
"""Tokens that a chat template may put around a conversation."""
_TURN = 8
"""Tokens that it may put around each object, such as a message."""
_PROMPTS = frozenset({"messages", "input", "prompt"})
_NO_PROMPTS = frozenset({
    "model", "stream", "stream_options", "temperature", "top_p", "n", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "seed", "user", "metadata", "service_tier", "store", "logprobs", "top_logprobs", "logit_bias",
    "presence_penalty", "frequency_penalty", "encoding_format", "dimensions", "parallel_tool_calls", "stop",
    "safety_identifier", "prompt_cache_key", "reasoning_effort", "verbosity",
})  # fmt: skip
"""Fields of which a model reads nothing; of all others it may read every byte."""


def prompt_bound(fields: Mapping[str, msgspec.Raw]) -> int:
    """Return the most tokens that the prompt of a request with these fields can have."""
    bound = _FRAME
    for name, raw in fields.items():
        if name in _PROMPTS:
            try:
                bound += _texts(msgspec.json.decode(raw))
            except msgspec.DecodeError:  # a number that no float holds
                bound += len(raw)
        elif name not in _NO_PROMPTS:
            bound += len(raw)
    return bound


def _texts(value: Any) -> int:
    bound, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            bound += len(one.encode())
        elif isinstance(one, dict):
            bound += _TURN
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif one is not None:
            bound += 1 if type(one) is int else len(str(one))  # a token by its number
    return bound
