"""InvokeModel, where each model family has its own body: Claude, Titan's pictures and vectors, Cohere's vectors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, vector_of, words_of
from workbench.simulator.anthropic.messages import answered, charged, events_of, whole_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.picture import Picture, edited, inverted, painted, read
from workbench.simulator.reply import JSON, Frames, Refused, Reply, Whole
from workbench.wire import event_stream


def invoke(exchange: Exchange) -> Reply:
    """Answer in the words of the model's family."""
    if not isinstance(exchange.body, dict):
        raise Refused(400, "The body is no JSON object.")
    family = next((family for name, family in _FAMILIES.items() if name in exchange.model), None)
    if family is None:
        raise Refused(400, f"The provided model identifier is invalid: {exchange.model}")
    return family(exchange)


def invoke_stream(exchange: Exchange) -> Reply:
    """Answer as an event stream; only Claude does here."""
    if "anthropic." not in exchange.model:
        raise Refused(400, f"The model {exchange.model} is unsupported for streaming.")
    _check_version(exchange)
    answer, asked = answered(exchange)
    return Frames(
        frames=_chunks(exchange, answer, asked),
        content_type=event_stream.CONTENT_TYPE,
        headers={"x-amzn-bedrock-content-type": JSON},
        tokens=answer.total_tokens,
        used=charged(answer, asked),
    )


def _claude(exchange: Exchange) -> Reply:
    _check_version(exchange)
    answer, asked = answered(exchange)
    body = whole_of(exchange.body, exchange.model, answer, asked)
    return Whole(
        body=body,
        headers=_counted(answer.input_tokens, answer.output_tokens),
        tokens=answer.total_tokens,
        used=charged(answer, asked),
    )


def _chunks(exchange: Exchange, answer: Answer, asked: dict[str, Any]) -> Iterator[bytes]:
    counts = {"inputTokenCount": answer.input_tokens, "outputTokenCount": answer.output_tokens}
    for event in events_of(exchange.body, exchange.model, answer, asked):
        timed = {**counts, "invocationLatency": 1, "firstByteLatency": 1}
        more = {"amazon-bedrock-invocationMetrics": timed} if event["type"] == "message_stop" else {}
        inner = base64.b64encode(msgspec.json.encode({**event, **more})).decode()
        yield event_stream.event("chunk", msgspec.json.encode({"bytes": inner, "p": "abcdefghijkl"}))


def _titan_image(exchange: Exchange) -> Reply:
    body = exchange.body
    config = body.get("imageGenerationConfig") or {}
    count, task = int(config.get("numberOfImages") or 1), body.get("taskType")
    if task == "TEXT_IMAGE":
        prompt = _required(body.get("textToImageParams"), "text")
        made = [painted(f"{prompt} {number}") for number in range(count)]
    elif task in ("INPAINTING", "OUTPAINTING"):
        params = body.get("inPaintingParams" if task == "INPAINTING" else "outPaintingParams")
        picture, mask = read(_decoded(_required(params, "image"))), _mask(params or {}, task)
        prompt = str((params or {}).get("text", ""))
        made = [edited(picture, mask, f"{prompt} {number}", white_is_edited=True) for number in range(count)]
    else:
        raise Refused(400, f"Malformed input request: {task!r} is not a valid taskType.")
    images = [base64.b64encode(png).decode() for png in made]
    return Whole(body={"images": images, "error": None}, used=(Used(images=len(made)),))


def _mask(params: dict[str, Any], task: str) -> Picture | None:
    """Return the mask, white where it is painted: Titan paints black in and leaves it when it paints out."""
    if "maskImage" not in params:
        _required(params, "maskPrompt")
        return None
    mask = read(_decoded(params["maskImage"]))
    return inverted(mask) if task == "INPAINTING" else mask


def _titan_embed(exchange: Exchange) -> Reply:
    text = _required(exchange.body, "inputText")
    count = words_of(text)
    body = {"embedding": vector_of(text, exchange.body.get("dimensions") or 8), "inputTextTokenCount": count}
    return Whole(body=body, headers=_counted(count, 0), tokens=count, used=(Used(input=count),))


def _cohere_embed(exchange: Exchange) -> Reply:
    texts = exchange.body.get("texts")
    if not isinstance(texts, list):
        raise Refused(400, "Malformed input request: texts is required.")
    vectors = [vector_of(str(text)) for text in texts]
    count = sum(words_of(str(text)) for text in texts)
    body = {"id": "simulated", "texts": texts, "embeddings": vectors, "response_type": "embeddings_floats"}
    return Whole(body=body, headers=_counted(count, 0), tokens=count, used=(Used(input=count),))


_FAMILIES: dict[str, Callable[[Exchange], Reply]] = {
    "anthropic.": _claude,
    "amazon.titan-image": _titan_image,
    "amazon.nova-canvas": _titan_image,
    "amazon.titan-embed": _titan_embed,
    "cohere.embed": _cohere_embed,
}


def _check_version(exchange: Exchange) -> None:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    if not body.get("anthropic_version") or not body.get("max_tokens"):
        raise Refused(400, "anthropic_version: Field required; max_tokens: Field required")


def _counted(asked: int, answered: int) -> dict[str, str]:
    return {"x-amzn-bedrock-input-token-count": str(asked), "x-amzn-bedrock-output-token-count": str(answered)}


def _required(params: Any, name: str) -> str:
    value = params.get(name) if isinstance(params, dict) else None
    if not isinstance(value, str):
        raise Refused(400, f"Malformed input request: required key [{name}] not found.")
    return value


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "Malformed input request: an image is no base64.") from error
