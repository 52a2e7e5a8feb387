"""generateContent, plain and streamed, and countTokens."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from workbench.simulator.answer import Answer, answer_to
from workbench.simulator.billing.used import used_by
from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini.content import contents_of, pick, turn_of, wish_of
from workbench.simulator.gemini.family import streamed
from workbench.simulator.picture import painted
from workbench.simulator.reply import Reply, Whole
from workbench.simulator.state import NOW

_FINISH = {"stop": "STOP", "stop_sequence": "STOP", "length": "MAX_TOKENS", "tools": "STOP"}


def generate(exchange: Exchange) -> Reply:
    """Answer a generateContent."""
    answer = answer_to(wish_of(exchange.body))
    parts = [*_thought(exchange, answer), *_parts(answer), *_pictures(exchange, answer)]
    candidates = [_candidate(parts, answer, n) for n in range(_count(exchange))]
    return Whole(
        body=_response(exchange, candidates, usage_of(answer)), tokens=answer.total_tokens, used=used_by(answer)
    )


def stream(exchange: Exchange) -> Reply:
    """Answer a streamGenerateContent."""
    answer = answer_to(wish_of(exchange.body))
    return streamed(exchange, _chunks(exchange, answer), tokens=answer.total_tokens, used=used_by(answer))


def count_tokens(exchange: Exchange) -> Reply:
    """Answer how many tokens the contents have."""
    body = pick(exchange.body, "generateContentRequest") or exchange.body
    tokens = answer_to(wish_of({**body, "contents": contents_of(body)})).input_tokens
    return Whole(body={"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def usage_of(answer: Answer) -> dict[str, Any]:
    """Return the usageMetadata: thoughts are not among the candidates' tokens."""
    thoughts = {"thoughtsTokenCount": answer.reasoning_tokens} if answer.reasoning_tokens else {}
    return {
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": answer.output_tokens - answer.reasoning_tokens,
        "totalTokenCount": answer.total_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        **thoughts,
    }


def text_of(exchange: Exchange) -> str:
    """Return the text of the last content."""
    return turn_of(contents_of(exchange.body)[-1]).text


def _chunks(exchange: Exchange, answer: Answer) -> Iterator[dict[str, Any]]:
    usage = usage_of(answer)
    so_far = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": usage["promptTokenCount"]}
    for part in (*_thought(exchange, answer), *(({"text": piece}) for piece in answer.pieces[:-1])):
        content = {"role": "model", "parts": [part]}
        yield _response(exchange, [{"content": content, "index": n} for n in range(_count(exchange))], so_far)
    last = [{"text": answer.pieces[-1]}] if answer.pieces else _parts(answer)
    parts = [*last, *_pictures(exchange, answer)]
    yield _response(exchange, [_candidate(parts, answer, n) for n in range(_count(exchange))], usage)


def _thought(exchange: Exchange, answer: Answer) -> list[dict[str, Any]]:
    config = pick(pick(exchange.body, "generationConfig") or {}, "thinkingConfig") or {}
    wanted = answer.reasoning_tokens and pick(config, "includeThoughts")
    return [{"text": answer.thought, "thought": True}] if wanted else []


def _parts(answer: Answer) -> list[dict[str, Any]]:
    if not answer.calls:
        return [{"text": answer.text}]
    signed = {"thoughtSignature": "c2ltdWxhdGVk"} if answer.reasoning_tokens else {}
    return [{"functionCall": {"name": call.name, "args": call.arguments}, **signed} for call in answer.calls]


def _pictures(exchange: Exchange, answer: Answer) -> list[dict[str, Any]]:
    config = pick(exchange.body, "generationConfig") or {}
    if "IMAGE" not in (pick(config, "responseModalities") or ()):
        return []
    return [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(painted(answer.text)).decode()}}]


def _count(exchange: Exchange) -> int:
    return int(pick(pick(exchange.body, "generationConfig") or {}, "candidateCount") or 1)


def _candidate(parts: list[dict[str, Any]], answer: Answer, index: int) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": parts}, "finishReason": _FINISH[answer.ending], "index": index}


def _response(exchange: Exchange, candidates: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "candidates": candidates,
        "usageMetadata": usage,
        "modelVersion": exchange.model,
        "responseId": "simulated",
        "createTime": f"2026-01-01T00:00:00.{NOW % 1000:03d}000Z",
    }
