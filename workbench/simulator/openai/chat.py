"""Chat completions, plain and streamed; Azure adds what its content filter found."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to
from workbench.simulator.billing.used import Tier, Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.content import chat_wish
from workbench.simulator.reply import Frames, Refused, Reply, Whole
from workbench.simulator.sound import spoken
from workbench.simulator.state import NOW
from workbench.wire.sse import frame

_FINISH = {"stop": "stop", "stop_sequence": "stop", "length": "length", "tools": "tool_calls"}
_SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_CACHED_FROM = 1024
_TOLD = {"flex": "flex", "priority": "priority"}


def chat(exchange: Exchange) -> Reply:
    """Answer a chat completion."""
    body = exchange.body
    known_model(exchange)
    answers = _answers(exchange, int(body.get("n") or 1))
    usage = _usage(exchange, answers)
    tokens, used = usage["total_tokens"], (charged(usage, _tier(body)),)
    if body.get("stream"):
        return Frames(frames=_frames(exchange, answers, usage), tokens=tokens, used=used)
    azure = _is_azure(exchange)
    choices = [_choice(number, answer, body, azure=azure) for number, answer in enumerate(answers)]
    whole = {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": NOW,
        "model": exchange.model,
        "choices": choices,
        "usage": usage,
        "system_fingerprint": "fp_simulated",
        "service_tier": _TOLD.get(_tier(body), "default"),
        "x_simulator": "a field that no SDK knows",
    }
    filtered = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]} if azure else {}
    return Whole(body={**whole, **filtered}, tokens=tokens, used=used)


def known_model(exchange: Exchange) -> None:
    """Refuse a fine-tuned model that no job here has made."""
    model = exchange.model
    made = (job["fine_tuned_model"] for job in exchange.account.all("fine-tuning job"))
    if model.startswith("ft:") and model not in made:
        raise Refused(
            404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found"
        )


def chat_usage(asked: int, answered: int, *, cached: int = 0, reasoning: int = 0, audio: int = 0) -> dict[str, Any]:
    """Return the usage of a chat completion."""
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio},
    }


def charged(usage: dict[str, Any], tier: Tier = "standard") -> Used:
    """Return what is charged for such a usage."""
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    audio = usage["completion_tokens_details"]["audio_tokens"]
    return Used(
        tier=tier,
        input=usage["prompt_tokens"] - cached,
        cached=cached,
        output=usage["completion_tokens"] - audio,
        audio_output=audio,
    )


def logprob_of(piece: str, alternatives: int) -> dict[str, Any]:
    """Return the logprob of a token: the first alternative is the token itself."""
    told = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}
    others = [{"token": f"{piece}~{i}", "logprob": -1.5 - i, "bytes": None} for i in range(1, alternatives)]
    return {**told, "top_logprobs": [told, *others] if alternatives else []}


def _answers(exchange: Exchange, count: int) -> list[Answer]:
    first = answer_to(chat_wish(exchange))
    plain = first.ending == "stop" and not exchange.body.get("response_format")
    others = [
        replace(first, pieces=(*first.pieces, f" #{i}"), output_tokens=first.output_tokens + 1) if plain else first
        for i in range(1, count)
    ]
    return [first, *others]


def _usage(exchange: Exchange, answers: list[Answer]) -> dict[str, Any]:
    asked, cached = answers[0].input_tokens, 0
    if asked >= _CACHED_FROM:  # every prefix is remembered; the longest that was seen counts
        messages = exchange.body["messages"]
        seen = [exchange.state.has_seen(["openai", exchange.model, messages[: i + 1]]) for i in range(len(messages))]
        share = (max((i for i, was in enumerate(seen) if was), default=-1) + 1) / len(messages)
        cached = int(asked * share) // 128 * 128
    output = sum(answer.output_tokens for answer in answers)
    audio = output if _audio(exchange.body) is not None else 0
    return chat_usage(asked, output, cached=cached, reasoning=sum(a.reasoning_tokens for a in answers), audio=audio)


def _choice(number: int, answer: Answer, body: dict[str, Any], *, azure: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    wanted = _audio(body)
    if answer.calls:
        message |= {"content": None, "tool_calls": _tool_calls(answer, number)}
    elif wanted is not None:
        data = base64.b64encode(spoken(answer.text, str(wanted.get("format", "wav")))).decode()
        told = {"id": "audio_simulated", "data": data, "expires_at": NOW + 3600, "transcript": answer.text}
        message |= {"content": None, "audio": told}
    choice = {
        "index": number,
        "message": message,
        "logprobs": _logprobs(answer.pieces, body),
        "finish_reason": _FINISH[answer.ending],
    }
    return {**choice, "content_filter_results": _SAFE} if azure else choice


def _frames(exchange: Exchange, answers: list[Answer], usage: dict[str, Any]) -> Iterator[bytes]:
    body, azure = exchange.body, _is_azure(exchange)
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))

    def chunk(choices: list[dict[str, Any]], used: dict[str, Any] | None = None) -> bytes:
        fields: dict[str, Any] = {
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": NOW,
            "model": exchange.model,
            "choices": choices,
            "service_tier": _TOLD.get(_tier(body), "default"),
        }
        return frame(msgspec.json.encode({**fields, "usage": used} if wants_usage else fields))

    def choice(
        number: int, delta: dict[str, Any], finish: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        told = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return [{**told, "content_filter_results": _SAFE} if azure and "content" in delta else told]

    if azure:
        filtered = [{"prompt_index": 0, "content_filter_results": _SAFE}]
        head = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": filtered}
        yield frame(msgspec.json.encode(head))
    for number, answer in enumerate(answers):
        empty = {"content": None} if answer.calls else {"content": ""}
        yield chunk(choice(number, {"role": "assistant", **empty}))
    deltas = [list(_deltas(answer, number, body)) for number, answer in enumerate(answers)]
    for step in range(max(map(len, deltas))):  # choices take turns
        for number, told in enumerate(deltas):
            if step < len(told):
                logprobs = _logprobs((told[step]["content"],), body) if "content" in told[step] else None
                yield chunk(choice(number, told[step], logprobs=logprobs))
    for number, answer in enumerate(answers):
        yield chunk(choice(number, {}, _FINISH[answer.ending]))
    if wants_usage:
        yield chunk([], usage)
    yield frame(b"[DONE]")


def _deltas(answer: Answer, number: int, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(_tool_calls(answer, number)):
        written = call["function"]["arguments"]
        yield {"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]}
        for part in (written[:5], written[5:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
    wanted = _audio(body)
    if wanted is None:
        yield from ({"content": piece} for piece in answer.pieces)
        return
    yield {"audio": {"id": "audio_simulated", "transcript": ""}}
    for piece in answer.pieces:
        data = base64.b64encode(spoken(piece, "pcm16")).decode()
        yield {"audio": {"data": data, "transcript": piece}}
    yield {"audio": {"expires_at": NOW + 3600}}


def _tool_calls(answer: Answer, number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_simulated_{number}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.written},
        }
        for index, call in enumerate(answer.calls)
    ]


def _logprobs(pieces: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    return {"content": [logprob_of(piece, int(body.get("top_logprobs") or 0)) for piece in pieces], "refusal": None}


def _audio(body: dict[str, Any]) -> dict[str, Any] | None:
    return (body.get("audio") or {}) if "audio" in (body.get("modalities") or ()) else None


def _tier(body: dict[str, Any]) -> Tier:
    asked = body.get("service_tier")
    return asked if asked in ("flex", "priority") else "standard"


def _is_azure(exchange: Exchange) -> bool:
    return exchange.path.startswith("/openai/")
