"""Out-painting: a picture goes onto a larger canvas, a model paints what is new, the picture is laid back on top."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from workbench.client import Gateway
from workbench.errors import InvalidInput, ProviderError
from workbench.images.choosing import choose_painter, using
from workbench.images.frame import Aspect, Expand, Frame, frame_of
from workbench.images.picture import Source, read_made, read_picture, write_png
from workbench.images.sheet import Sheet

MOST_PIXELS = 40_000_000
"""Of a result; a picture whose result would have more is made smaller first."""
_SOFT = 0.5
"""Below this scale what is painted is enlarged so much that one sees it."""
_SKEW = 0.02
"""Share by which an answer's aspect may be off."""


def outpaint(
    image: Source,
    *,
    prompt: str,
    expand: Expand | None = None,
    size: tuple[int, int] | None = None,
    aspect: Aspect | None = None,
    model: str | None = None,
    feather: int = 0,
    canvas: tuple[int, int] | None = None,
    gateway: Gateway | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Image.Image:
    """Paint a picture on beyond its edges, and return the whole; the pixels that were there stay as they were.

    `image` is a PIL image, a path or bytes. How far to go is told in one way: `expand` in pixels (a whole number) or as
    a share of the picture (`0.25`), for all sides or by side (`{"left": 200, "right": 0.5}`); or `size`, or `aspect`
    (`"16:9"`) of the result, with the picture in the middle. `prompt` says what the whole is to show. `model` may be
    left out where the key may use just one that edits pictures; `canvas` is the size to paint at (default: what suits
    the model), `parameters` are those of images/edits (`quality="high"`, ...).

    With `feather` the outermost so many pixels of the picture, where something is added, are painted too and blend
    over; the others stay exact. A canvas is often smaller than the result: then the new part is enlarged, and more than
    twice gives a warning. The result has the picture's colour profile; its `info` tells `request_id`, `model` and
    `cost_usd`. Raises InvalidInput, NotFound, and what the gateway meant.
    """
    if not prompt.strip():
        raise InvalidInput("The prompt is empty.", hint="Say what the whole picture is to show.", param="prompt")
    picture = read_picture(image)
    frame = frame_of(picture.size, expand=expand, size=size, aspect=aspect)
    picture, frame = _bounded(picture, frame)
    if not 0 <= feather <= min(picture.size) // 2:
        raise InvalidInput(
            f"feather is {feather}.", hint=f"Use 0 to {min(picture.size) // 2} pixels of this picture.", param="feather"
        )
    with using(gateway) as client:
        name, painter = choose_painter(client, model, edits=True)
        sheet = Sheet.of(frame, painter, canvas)
        _warn_of_softness(sheet)
        asked = {**painter.fields, **({"size": "{}x{}".format(*sheet.canvas)} if painter.tells_size else {})}
        made = client.paint(
            prompt,
            model=name,
            image=write_png(sheet.laid(picture)),
            mask=write_png(sheet.mask(feather)),
            tags=tags,
            **{**asked, **parameters},
        )
    painted = sheet.cut(_answer(made.images[0], sheet.canvas, made.model))
    whole = painted.convert(picture.mode)
    whole.paste(picture, frame.box[:2], _blend(frame, feather) if feather else None)
    whole.info = {**picture.info, "request_id": made.request_id, "model": made.model, "cost_usd": made.cost_usd}
    return whole


def _bounded(picture: Image.Image, frame: Frame) -> tuple[Image.Image, Frame]:
    """Return both, smaller where the result would be too large to be worked on."""
    width, height = frame.size
    if width * height <= MOST_PIXELS:
        return picture, frame
    less = frame.scaled((MOST_PIXELS / (width * height)) ** 0.5)
    warnings.warn(
        f"The result would have {width}x{height} pixels, over {MOST_PIXELS:,}: the picture is made smaller, to "
        f"{less.inner[0]}x{less.inner[1]} in {less.size[0]}x{less.size[1]}.",
        stacklevel=3,
    )
    info = picture.info
    picture = picture.resize(less.inner, Image.Resampling.LANCZOS)
    picture.info = info
    return picture, less


def _warn_of_softness(sheet: Sheet) -> None:
    if sheet.scale < _SOFT:
        width, height = sheet.frame.size
        warnings.warn(
            f"The new part is painted at {sheet.canvas[0]}x{sheet.canvas[1]} and enlarged {1 / sheet.scale:.1f} times "
            f"to {width}x{height}: it will look softer than the picture. A smaller picture avoids that.",
            stacklevel=3,
        )


def _answer(made: bytes, canvas: tuple[int, int], model: str) -> Image.Image:
    """Return what came back, in the canvas's size; raises ProviderError where it is no such picture."""
    painted = read_made(made, model=model).convert("RGB")
    if painted.size == canvas:
        return painted
    if abs(painted.width / painted.height / (canvas[0] / canvas[1]) - 1) > _SKEW:
        raise ProviderError(
            f"{model!r} was to paint {canvas[0]}x{canvas[1]} and answered {painted.width}x{painted.height}, which does "
            "not fit round the picture.",
            hint="Pass a size that it can paint as `canvas=(width, height)`.",
        )
    return painted.resize(canvas, Image.Resampling.LANCZOS)


def _blend(frame: Frame, feather: int) -> Image.Image:
    """Return how much of the picture shows: all within, less and less towards the sides that grow."""
    width, height = frame.inner
    across, down = np.full(width, feather), np.full(height, feather)
    for line, first, last in ((across, frame.left, frame.right), (down, frame.top, frame.bottom)):
        steps = np.arange(len(line))
        if first:
            np.minimum(line, steps, out=line)
        if last:
            np.minimum(line, steps[::-1], out=line)
    shown = np.minimum.outer(down, across) * 255 // feather
    return Image.fromarray(shown.astype(np.uint8))
