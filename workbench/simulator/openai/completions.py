"""Completions of a prompt, the older of OpenAI's two ways to ask for text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, Turn, Wish, answer_to
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.chat import charged, chat_usage
from workbench.simulator.reply import Frames, Reply, Whole
from workbench.simulator.state import NOW
from workbench.wire.sse import frame


def completions(exchange: Exchange) -> Reply:
    """Answer a completion; several prompts give several choices."""
    body = exchange.body
    told = body["prompt"]
    prompts = told if isinstance(told, list) and told and isinstance(told[0], str) else [told]
    stops = body.get("stop") or ()
    answers = [
        answer_to(
            Wish(
                turns=[Turn("user", str(prompt))],
                limit=body.get("max_tokens"),
                stops=(stops,) if isinstance(stops, str) else tuple(stops),
            )
        )
        for prompt in prompts
        for _ in range(int(body.get("n") or 1))
    ]
    usage = chat_usage(sum(a.input_tokens for a in answers), sum(a.output_tokens for a in answers))
    tokens, used = usage["total_tokens"], (charged(usage),)
    if body.get("stream"):
        return Frames(frames=_frames(exchange, answers, usage), tokens=tokens, used=used)
    choices = [_choice(number, a.text, _finish(a)) for number, a in enumerate(answers)]
    return Whole(body={**_head(exchange), "choices": choices, "usage": usage}, tokens=tokens, used=used)


def _frames(exchange: Exchange, answers: list[Answer], usage: dict[str, Any]) -> Iterator[bytes]:
    wants_usage = bool((exchange.body.get("stream_options") or {}).get("include_usage"))
    none = {"usage": None} if wants_usage else {}
    for number, answer in enumerate(answers):
        for piece in answer.pieces:
            yield frame(msgspec.json.encode({**_head(exchange), "choices": [_choice(number, piece, None)], **none}))
        last = [_choice(number, "", _finish(answer))]
        yield frame(msgspec.json.encode({**_head(exchange), "choices": last, **none}))
    if wants_usage:
        yield frame(msgspec.json.encode({**_head(exchange), "choices": [], "usage": usage}))
    yield frame(b"[DONE]")


def _head(exchange: Exchange) -> dict[str, Any]:
    return {"id": "cmpl-simulated", "object": "text_completion", "created": NOW, "model": exchange.model}


def _choice(number: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": None, "finish_reason": finish}


def _finish(answer: Answer) -> str:
    return "length" if answer.ending == "length" else "stop"
