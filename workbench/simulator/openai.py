"""OpenAI's wire format: chat completions plain and streamed, and embeddings.

Source: OpenAI's API reference, chat completions and embeddings.
"""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to, vector_of
from workbench.wire.sse import frame


def credential(headers: dict[str, str]) -> str:
    """Return the key that a request carries."""
    return headers.get("authorization", "").removeprefix("Bearer ")


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status)
    kind = kind or ("invalid_request_error" if status < 500 else "server_error")
    return {
        "error": {"message": message, "type": kind, "param": None, "code": "invalid_api_key" if status == 401 else None}
    }


def error_event(message: str) -> bytes:
    """Return the event by which a stream tells of a failure."""
    return frame(msgspec.json.encode(error(500, message)))


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a chat completion."""
    answer = _answer(body)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": _usage(answer),
        "system_fingerprint": "fp_simulated",
        "x_simulator": "a field that no SDK knows",
    }


def frames(body: dict[str, Any]) -> Iterator[bytes]:
    """Yield a streamed chat completion, the terminal event last."""
    answer = _answer(body)
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    created = int(time.time())

    def chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        fields: dict[str, Any] = {
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": created,
            "model": body["model"],
            "choices": choices,
        }
        return frame(msgspec.json.encode({**fields, "usage": usage} if wants_usage else fields))

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    yield chunk(choice({"role": "assistant", "content": ""}))
    for piece in answer.pieces:
        yield chunk(choice({"content": piece}))
    yield chunk(choice({}, "stop"))
    if wants_usage:
        yield chunk([], _usage(answer))
    yield frame(b"[DONE]")


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Return embeddings, as floats or base64."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [vector_of(str(text), body.get("dimensions") or 8) for text in texts]
    if body.get("encoding_format") == "base64":
        told: list[Any] = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    else:
        told = vectors
    tokens = sum(len(str(text).split()) for text in texts)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(told)],
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _answer(body: dict[str, Any]) -> Answer:
    return answer_to(body["messages"], limit=body.get("max_tokens") or body.get("max_completion_tokens"))


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
