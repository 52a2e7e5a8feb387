"""Chat, generate and embed, streamed unless that is declined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from workbench.simulator.answer import Answer, Tool, Turn, Wish, answer_to, note_of, vector_of, words_of
from workbench.simulator.billing.used import Used, used_by
from workbench.simulator.exchange import Exchange
from workbench.simulator.ollama.family import line
from workbench.simulator.reply import Frames, Reply, Whole

_LINES = "application/x-ndjson"
_TIME = "2026-01-01T00:00:00Z"
_JSON_OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}}


def chat(exchange: Exchange) -> Reply:
    """Answer a chat."""
    body = exchange.body
    tools = [tool["function"] for tool in body.get("tools") or ()]
    answer = answer_to(
        Wish(
            turns=[_turn(message) for message in body["messages"]],
            tools=[Tool(tool["name"], tool.get("parameters") or {}) for tool in tools],
            **_options(body),
        )
    )

    def told(text: str, *, last: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if answer.calls and last:
            message["tool_calls"] = [{"function": {"name": c.name, "arguments": c.arguments}} for c in answer.calls]
        return {"message": message}

    return _reply(exchange, answer, told)


def generate(exchange: Exchange) -> Reply:
    """Answer a prompt."""
    body = exchange.body
    turns = ([Turn("system", body["system"])] if body.get("system") else []) + [
        _turn({"role": "user", "content": body["prompt"], "images": body.get("images")})
    ]
    answer = answer_to(Wish(turns=turns, **_options(body)))
    return _reply(exchange, answer, lambda text, last: {"response": text})


def embed(exchange: Exchange) -> Reply:
    """Answer with a vector for each text."""
    told = exchange.body["input"]
    texts = told if isinstance(told, list) else [told]
    count = sum(words_of(str(text)) for text in texts)
    vectors = [vector_of(str(text), exchange.body.get("dimensions") or 8) for text in texts]
    times = {"total_duration": 1, "load_duration": 1}
    body = {"model": exchange.model, "embeddings": vectors, **times, "prompt_eval_count": count}
    return Whole(body=body, tokens=count, used=(Used(input=count),))


def _reply(exchange: Exchange, answer: Answer, told: Callable[..., dict[str, Any]]) -> Reply:
    head = {"model": exchange.model, "created_at": _TIME}
    done = {
        "done": True,
        "done_reason": "length" if answer.ending == "length" else "stop",
        "total_duration": 1,
        "load_duration": 1,
        "prompt_eval_count": answer.input_tokens,
        "prompt_eval_duration": 1,
        "eval_count": answer.output_tokens,
        "eval_duration": 1,
    }
    if exchange.body.get("stream") is False:
        return Whole(
            body={**head, **told(answer.text, last=True), **done}, tokens=answer.total_tokens, used=used_by(answer)
        )

    def lines() -> Iterator[bytes]:
        for piece in answer.pieces:
            yield line({**head, **told(piece, last=False), "done": False})
        yield line({**head, **told("", last=True), **done})

    return Frames(frames=lines(), content_type=_LINES, tokens=answer.total_tokens, used=used_by(answer))


def _turn(message: dict[str, Any]) -> Turn:
    images = message.get("images") or ()
    notes = [note_of("image", str(image)) for image in images]
    return Turn(message["role"], " ".join([str(message.get("content") or ""), *notes]), len(notes))


def _options(body: dict[str, Any]) -> dict[str, Any]:
    options, form = body.get("options") or {}, body.get("format")
    stops = options.get("stop") or ()
    return {
        "schema": _JSON_OBJECT if form == "json" else form or None,
        "limit": options.get("num_predict"),
        "stops": (stops,) if isinstance(stops, str) else tuple(stops),
    }
