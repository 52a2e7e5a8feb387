"""What to paint on: a picture without transparency, and a mask that is white where to paint and black where to keep.

OpenAI's masks are transparent where to paint; where there is no mask, the picture's own transparency is one.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 40_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture to be edited."""

    size: tuple[int, int]
    """Width and height in pixels."""
    picture: str
    """PNG without transparency, in base64."""
    mask: str | None
    """PNG of grey values in base64, white where to paint; None: nothing was said."""
    mask_inverted: str | None
    """The same, black where to paint."""
    outpaints: bool
    """Whether it is painted up to the edge, and so beyond what there was."""


def read_canvas(image: bytes, mask: bytes | None) -> Canvas:
    """Read a picture and its mask; raises InvalidInput that names which is wrong. Takes up to a second."""
    from PIL import ImageChops  # noqa: PLC0415 - only edits need it

    opened = _open(image, "image")
    shape = _transparent(_open(mask, "mask")) if mask is not None else _transparent(opened)
    if mask is not None and shape is None:
        raise InvalidInput(
            "mask is transparent nowhere, so it does not tell where to paint.",
            hint="Send a PNG whose transparent pixels are to be painted.",
            param="mask",
        )
    if shape is not None and shape.size != opened.size:
        raise InvalidInput(
            f"mask has {shape.size[0]}x{shape.size[1]} pixels, image {opened.size[0]}x{opened.size[1]}.",
            hint="Send a mask of the image's size.",
            param="mask",
        )
    return Canvas(
        size=opened.size,
        picture=_png(_flattened(opened)),
        mask=None if shape is None else _png(shape),
        mask_inverted=None if shape is None else _png(ImageChops.invert(shape)),
        outpaints=shape is not None and _reaches_the_edge(shape),
    )


def _open(data: bytes, name: str) -> Image:
    from PIL import Image as images  # noqa: N813, PLC0415

    try:
        opened = images.open(io.BytesIO(data), formats=_FORMATS)
        if opened.width * opened.height > MOST_PIXELS:
            raise InvalidInput(f"{name} has over {MOST_PIXELS} pixels.", hint="Send a smaller one.", param=name)
        opened.load()
    except (OSError, SyntaxError, ValueError, images.DecompressionBombError) as error:
        raise InvalidInput(
            f"{name} is no picture that can be read.", hint=f"Send {', '.join(_FORMATS)}.", param=name
        ) from error
    return opened


def _transparent(image: Image) -> Image | None:
    """Return where a picture is transparent, as white on black; None if it is so nowhere."""
    if not image.has_transparency_data:
        return None
    shape = image.convert("RGBA").getchannel("A").point([255] * 128 + [0] * 128)
    return shape if shape.getbbox() is not None else None


def _flattened(image: Image) -> Image:
    from PIL import Image as images  # noqa: N813, PLC0415

    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    ground = images.new("RGBA", seen.size, "white")
    return images.alpha_composite(ground, seen).convert("RGB")


def _reaches_the_edge(shape: Image) -> bool:
    width, height = shape.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    return any(shape.crop(edge).getbbox() is not None for edge in edges)


def _png(image: Image) -> str:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return base64.b64encode(out.getvalue()).decode()
