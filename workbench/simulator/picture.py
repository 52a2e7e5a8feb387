"""Small real pictures, as PNG files, so that simulated painters paint."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from itertools import chain

from PIL import Image

from workbench.simulator.reply import Refused

_LARGEST = 4096 * 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels, row by row."""

    width: int
    """Pixels a row."""
    height: int
    """Rows."""
    pixels: tuple[tuple[int, int, int, int], ...]
    """Red, green, blue and opacity of each."""


def painted(prompt: str, *, width: int = 16, height: int = 16) -> bytes:
    """Return a PNG whose colours follow from the prompt."""
    return write(Picture(width, height, _colours(prompt, width, height)))


def edited(picture: Picture, mask: Picture | None, prompt: str, *, white_is_edited: bool = False) -> bytes:
    """Return a PNG in which the masked pixels, or all, are painted anew and the others are as they were.

    OpenAI masks by transparency; Imagen by white, Titan by black: there the caller turns the mask round.
    """
    new = _colours(prompt, picture.width, picture.height)
    if mask is None:
        return write(Picture(picture.width, picture.height, new))
    if (mask.width, mask.height) != (picture.width, picture.height):
        raise Refused(400, "The mask must have the size of the image.")
    chosen = (m[0] > 127 if white_is_edited else m[3] < 128 for m in mask.pixels)
    pixels = tuple(fresh if edit else old for fresh, old, edit in zip(new, picture.pixels, chosen, strict=True))
    return write(Picture(picture.width, picture.height, pixels))


def inverted(mask: Picture) -> Picture:
    """Return a mask with black and white exchanged."""
    pixels = tuple((255 - red, 255 - green, 255 - blue, opacity) for red, green, blue, opacity in mask.pixels)
    return Picture(mask.width, mask.height, pixels)


def write(picture: Picture) -> bytes:
    """Return a PNG file."""
    out = io.BytesIO()
    flat = bytes(chain.from_iterable(picture.pixels))
    Image.frombytes("RGBA", (picture.width, picture.height), flat).save(out, "PNG")
    return out.getvalue()


def read(png: bytes) -> Picture:
    """Read a PNG file; raises Refused where it is none, or too large."""
    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
        if image.width * image.height > _LARGEST:
            raise Refused(400, "The image is too large.")
        flat = image.convert("RGBA").tobytes()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Refused(400, "The image is no PNG that can be read.") from error
    pixels = tuple(zip(flat[0::4], flat[1::4], flat[2::4], flat[3::4], strict=True))
    return Picture(image.width, image.height, pixels)


def _colours(prompt: str, width: int, height: int) -> tuple[tuple[int, int, int, int], ...]:
    raw = hashlib.sha256(prompt.encode()).digest()
    return tuple((raw[(x + y) % 32], raw[x % 32], raw[y % 32], 255) for y in range(height) for x in range(width))
