"""Images made and edited: small real PNGs, whatever size was asked for, since only their pixels matter here."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import IMAGE_TOKENS, note_of, words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.picture import edited, painted, read
from workbench.simulator.reply import Frames, Refused, Reply, Whole
from workbench.simulator.state import NOW
from workbench.wire.sse import frame

_OUTPUT_TOKENS = 272


def generate(exchange: Exchange) -> Reply:
    """Answer with new images."""
    body = exchange.body
    prompt = str(body["prompt"])
    made = [painted(f"{prompt} {number}") for number in range(int(body.get("n") or 1))]
    return _reply(exchange, body, made, kind="image_generation", asked=words_of(prompt), pictures=0)


def edit(exchange: Exchange) -> Reply:
    """Answer with edited images: what the mask leaves transparent is painted anew, the rest stays as it was."""
    told = {part.name: part.data.decode("utf-8", "replace") for part in exchange.parts if part.filename is None}
    images, masks = exchange.files("image", "image[]"), exchange.files("mask")
    if not told.get("prompt") or not images or not told.get("model"):
        raise Refused(400, "model, image and prompt are required.")
    picture, mask = read(images[0].data), read(masks[0].data) if masks else None
    made = [edited(picture, mask, f"{told['prompt']} {number}") for number in range(int(told.get("n") or 1))]
    asked = words_of(told["prompt"])
    return _reply(exchange, told, made, kind="image_edit", asked=asked, pictures=len(images) + len(masks))


def vary(exchange: Exchange) -> Reply:
    """Answer with variations of an image."""
    images = exchange.files("image")
    if not images:
        raise Refused(400, "image is required.")
    picture, count = read(images[0].data), int(exchange.form("n") or 1)
    made = [edited(picture, None, f"{note_of('image', images[0].data)} {number}") for number in range(count)]
    told = {"response_format": exchange.form("response_format") or "url"}
    return _reply(exchange, told, made, kind="image_variation", asked=0, pictures=1)


def stored(exchange: Exchange) -> Reply:
    """Answer with an image that was given by its URL."""
    name = exchange.params["name"]
    return Whole(body=exchange.state.shelves("images").read(name), content_type="image/png")


def _reply(
    exchange: Exchange, told: dict[str, Any], made: list[bytes], *, kind: str, asked: int, pictures: int
) -> Reply:
    tokens = asked + IMAGE_TOKENS * pictures + _OUTPUT_TOKENS * len(made)
    usage = {
        "input_tokens": asked + IMAGE_TOKENS * pictures,
        "input_tokens_details": {"text_tokens": asked, "image_tokens": IMAGE_TOKENS * pictures},
        "output_tokens": _OUTPUT_TOKENS * len(made),
        "total_tokens": tokens,
    }
    pieces = exchange.model.startswith("dall-e")
    used = Used(
        input=0 if pieces else asked,
        image_input=0 if pieces else IMAGE_TOKENS * pictures,
        image_output=0 if pieces else _OUTPUT_TOKENS * len(made),
        images=len(made),
    )
    if told.get("stream") in (True, "true"):
        partial = int(told.get("partial_images") or 0)
        return Frames(frames=_frames(made[0], kind, partial, usage), tokens=tokens, used=(used,))
    by_url = told.get("response_format", "url" if exchange.model.startswith("dall-e") else "b64_json") == "url"
    data = [{"url": _url(exchange, png)} if by_url else {"b64_json": _written(png)} for png in made]
    return Whole(body={"created": NOW, "data": data, "usage": usage}, tokens=tokens, used=(used,))


def _frames(png: bytes, kind: str, partial: int, usage: dict[str, Any]) -> Iterator[bytes]:
    look = {"size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png", "created_at": NOW}
    for number in range(partial):
        name = f"{kind}.partial_image"
        event = {"type": name, "b64_json": _written(png), "partial_image_index": number, **look}
        yield frame(msgspec.json.encode(event), name=name)
    name = f"{kind}.completed"
    yield frame(msgspec.json.encode({"type": name, "b64_json": _written(png), "usage": usage, **look}), name=name)


def _url(exchange: Exchange, png: bytes) -> str:
    shelves = exchange.state.shelves("images")
    name = shelves.new_id("image-")
    shelves.write(name, png)
    return f"{exchange.url}/simulated-images/{name}"


def _written(png: bytes) -> str:
    return base64.b64encode(png).decode()
