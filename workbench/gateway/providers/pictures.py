"""Pictures in another protocol: images/generations and images/edits, checked; the answers back in OpenAI's shape."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.providers.mask import Canvas, read_canvas
from workbench.gateway.providers.provider import CallerRefused
from workbench.gateway.providers.translation import (
    ANY,
    Asking,
    Lane,
    Request,
    Translated,
    refuse_unknown,
)

_KNOWN = frozenset({"model", "prompt", "n", "size", "image", "image[]", "mask"})
HARMLESS: Mapping[str, object] = {
    "user": ANY, "response_format": "b64_json", "quality": "auto", "background": "auto", "moderation": "auto",
    "output_format": "png", "size": "auto", "stream": False,
}  # fmt: skip
"""Fields that may be left out: with this value they say what holds anyway."""
_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which pictures are asked for."""

    asking: Asking
    """What is asked, and of whom."""
    prompt: str
    """What is to be seen."""
    count: int
    """How many."""
    size: tuple[int, int] | None
    """Width and height in pixels, if the caller says."""
    seed: int | None
    """For the same picture again."""
    negative: str | None
    """What is not to be seen."""
    canvas: Canvas | None = None
    """The picture to edit, where it is an edit."""

    def refuse_size(self, allowed: str) -> InvalidInput:
        """Return the error for a size that the target has not."""
        width, height = self.size or (0, 0)
        return InvalidInput(
            f"The size {width}x{height} can't be honoured by {self.asking.model!r}.",
            hint=f"Possible here: {allowed}.",
            code="unsupported_parameter",
            param="size",
        )


@dataclass(frozen=True, slots=True)
class Painter:
    """One protocol for pictures."""

    request: Callable[[Wish], Request]
    """The request for a wish; raises InvalidInput for what can't be honoured."""
    pictures: Callable[[dict[str, Any]], tuple[list[str], str | None]]
    """An answer -> pictures in base64, and why there are none."""
    needs_mask: bool
    """Whether an edit needs to be told where."""
    harmless: Mapping[str, object]
    """Fields that may be left out beside those of `HARMLESS`; another value of one is refused."""
    takes: frozenset[str] = frozenset()
    """Fields that it knows beside prompt, count and size: `seed`, `negative_prompt`, or others that it reads itself."""


def generations_lane(painter: Painter) -> Lane:
    """Return the translation of images/generations."""

    def translate(asking: Asking) -> Translated:
        return _translated(painter, _wish(asking, painter))

    return translate


def edits_lane(painter: Painter) -> Lane:
    """Return the translation of images/edits: painting in, and painting out with a mask."""

    def translate(asking: Asking) -> Translated:
        form = asking.form
        assert form is not None, "images/edits is a form"
        images = [*form.named("image"), *form.named("image[]")]
        if len(images) != 1:
            raise InvalidInput(
                f"{asking.model!r} edits one image, and {len(images)} came.", hint="Send one.", param="image"
            )
        masks = form.named("mask")
        canvas = read_canvas(form.read(images[0]), form.read(masks[0]) if masks else None)
        if painter.needs_mask and canvas.mask is None:
            raise InvalidInput(
                f"{asking.model!r} edits where a mask says, and there is none.",
                hint="Send `mask`, a PNG of the same size that is transparent where to paint; or an image that is.",
                param="mask",
            )
        return _translated(painter, _wish(asking, painter, canvas=canvas))

    return translate


def _wish(asking: Asking, painter: Painter, *, canvas: Canvas | None = None) -> Wish:
    harmless = {**HARMLESS, **painter.harmless}
    refuse_unknown(asking, _KNOWN | painter.takes, harmless=harmless)
    fields = asking.fields
    size = fields.get("size")
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if size not in (None, "auto") and found is None:
        raise InvalidInput(f"{size!r} is no size.", hint="Such as 1024x1024.", param="size")
    return Wish(
        asking=asking,
        prompt=str(fields["prompt"]),
        count=_number(fields, "n") or 1,
        size=(int(found[1]), int(found[2])) if found else None,
        seed=_number(fields, "seed"),
        negative=None if fields.get("negative_prompt") is None else str(fields["negative_prompt"]),
        canvas=canvas,
    )


def _number(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} is no whole number.", hint="Send a whole number.", param=name) from error


def _translated(painter: Painter, wish: Wish) -> Translated:
    def whole(bodies: list[bytes]) -> bytes:
        made, why = painter.pictures(msgspec.json.decode(bodies[0]))
        if not made:
            raise CallerRefused(
                why or f"{wish.asking.model!r} made no picture of this prompt.",
                answered=400,
                fields={"code": "content_policy_violation", "type": "invalid_request_error"},
            )
        return msgspec.json.encode({"created": int(time.time()), "data": [{"b64_json": one} for one in made]})

    return Translated([painter.request(wish)], whole)
