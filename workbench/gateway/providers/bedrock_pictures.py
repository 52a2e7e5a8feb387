"""Pictures at Bedrock: Titan Image Generator and Nova Canvas, by InvokeModel.

Source: AWS, "Amazon Titan Image Generator" and "Amazon Nova Canvas": request and response structure. Painting in
changes what is black in the mask, painting out what is white.
"""

from __future__ import annotations

from typing import Any

from workbench.errors import InvalidInput
from workbench.gateway.providers.pictures import Painter, Wish, edits_lane, generations_lane
from workbench.gateway.providers.translation import Asking, Lane, Lanes, Request, Translated

_QUALITY = {"standard": "standard", "hd": "premium", "high": "premium"}
_MOST = 5
_FAMILIES = ("amazon.titan-image", "amazon.nova-canvas")


def _request(wish: Wish) -> Request:
    asking, told = wish.asking, {"text": wish.prompt}
    if wish.count > _MOST:
        raise InvalidInput(f"{asking.model!r} makes at most {_MOST} pictures a call.", hint="Ask for less.", param="n")
    if wish.negative is not None:
        told["negativeText"] = wish.negative
    body: dict[str, Any]
    if (canvas := wish.canvas) is None:
        body = {"taskType": "TEXT_IMAGE", "textToImageParams": told}
    elif canvas.outpaints:
        mask = {"image": canvas.picture, "maskImage": canvas.mask}
        body = {"taskType": "OUTPAINTING", "outPaintingParams": {**told, **mask}}
    else:
        mask = {"image": canvas.picture, "maskImage": canvas.mask_inverted}
        body = {"taskType": "INPAINTING", "inPaintingParams": {**told, **mask}}
    config: dict[str, Any] = {"numberOfImages": wish.count}
    if wish.size is not None:
        config |= {"width": wish.size[0], "height": wish.size[1]}
    if wish.seed is not None:
        config["seed"] = wish.seed
    quality = asking.fields.get("quality")
    if quality not in (None, "auto"):
        if quality not in _QUALITY:
            known = ", ".join(_QUALITY)
            raise InvalidInput(
                f"The quality {str(quality)[:50]!r} can't be honoured by {asking.model!r}.",
                hint=f"Possible here: {known}, auto.",
                code="unsupported_parameter",
                param="quality",
            )
        config["quality"] = _QUALITY[quality]
    url = asking.url("model/{model}/invoke", model=asking.model)
    return Request(url, {**body, "imageGenerationConfig": config})


def _pictures(answer: dict[str, Any]) -> tuple[list[str], str | None]:
    return list(answer.get("images") or ()), answer.get("error")


_PAINTER = Painter(
    request=_request, pictures=_pictures, needs_mask=True, takes=frozenset({"quality", "seed", "negative_prompt"}),
    harmless={"background": "opaque"},
)  # fmt: skip


def _known(lane: Lane) -> Lane:
    def translate(asking: Asking) -> Translated:
        if not any(family in asking.model for family in _FAMILIES):
            raise InvalidInput(
                f"Model {asking.model!r} of provider {asking.provider!r} paints nothing that the gateway knows.",
                hint=f"Bedrock's {' and '.join(_FAMILIES)} models are served.",
                code="unsupported_operation",
            )
        return lane(asking)

    return translate


LANES: Lanes = {
    "images/generations": _known(generations_lane(_PAINTER)),
    "images/edits": _known(edits_lane(_PAINTER)),
}
