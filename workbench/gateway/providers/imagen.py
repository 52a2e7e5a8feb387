"""Pictures at Vertex: Imagen, which makes them and edits them, with a mask or without.

Source: Google Cloud, "Imagen API" and "Edit images": predict. A mask is white where to paint.
"""

from __future__ import annotations

from typing import Any

from workbench.errors import InvalidInput
from workbench.gateway.providers.pictures import Painter, Wish, edits_lane, generations_lane
from workbench.gateway.providers.translation import Lanes, Request
from workbench.gateway.providers.vertex_place import place

_RATIOS = {
    (1024, 1024): "1:1", (1792, 1024): "16:9", (1024, 1792): "9:16", (1408, 768): "16:9", (768, 1408): "9:16",
    (1280, 896): "4:3", (896, 1280): "3:4",
}  # fmt: skip
"""What Imagen makes of each ratio, and what OpenAI's SDK calls the nearest."""
_MOST = 4


def _request(wish: Wish) -> Request:
    parameters: dict[str, Any] = {"sampleCount": wish.count}
    instance: dict[str, Any] = {"prompt": wish.prompt}
    if wish.count > _MOST:
        hint = "Ask for less."
        raise InvalidInput(f"{wish.asking.model!r} makes at most {_MOST} pictures a call.", hint=hint, param="n")
    if wish.negative is not None:
        parameters["negativePrompt"] = wish.negative
    if wish.seed is not None:
        parameters |= {"seed": wish.seed, "addWatermark": False}  # with a watermark a seed is refused
    if (canvas := wish.canvas) is not None:
        if wish.size not in (None, canvas.size):
            raise wish.refuse_size("the image's own, {}x{}".format(*canvas.size))
        instance["referenceImages"] = [_reference("REFERENCE_TYPE_RAW", 1, canvas.picture)]
        parameters["editMode"] = "EDIT_MODE_DEFAULT"
        if canvas.mask is not None:
            told = {"maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"}}
            instance["referenceImages"].append({**_reference("REFERENCE_TYPE_MASK", 2, canvas.mask), **told})
            parameters["editMode"] = "EDIT_MODE_OUTPAINT" if canvas.outpaints else "EDIT_MODE_INPAINT_INSERTION"
    elif wish.size is not None:
        if wish.size not in _RATIOS:
            raise wish.refuse_size(", ".join(f"{width}x{height}" for width, height in _RATIOS))
        parameters["aspectRatio"] = _RATIOS[wish.size]
    body = {"instances": [instance], "parameters": parameters}
    return Request(place(wish.asking, "google", "predict"), body)


def _reference(kind: str, number: int, picture: str) -> dict[str, Any]:
    return {"referenceType": kind, "referenceId": number, "referenceImage": {"bytesBase64Encoded": picture}}


def _pictures(answer: dict[str, Any]) -> tuple[list[str], str | None]:
    found = answer.get("predictions") or []
    why = next((one["raiFilteredReason"] for one in found if "raiFilteredReason" in one), None)
    return [one["bytesBase64Encoded"] for one in found if "bytesBase64Encoded" in one], why


_PAINTER = Painter(
    request=_request, pictures=_pictures, needs_mask=False, takes=frozenset({"seed", "negative_prompt"}),
    harmless={"quality": "standard", "background": "opaque"},
)  # fmt: skip

LANES: Lanes = {"images/generations": generations_lane(_PAINTER), "images/edits": edits_lane(_PAINTER)}
