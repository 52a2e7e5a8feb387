"""A picture as it comes: a PIL image, a file, or bytes; upright, as RGB or RGBA. And back to a PNG."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from workbench.errors import InvalidInput, ProviderError

Source = Image.Image | str | Path | bytes


def read_picture(source: Source) -> Image.Image:
    """Return the picture upright, as EXIF says it was held; RGBA where it is transparent somewhere, else RGB.

    A colour profile stays in `info`. Raises InvalidInput where it can't be read.
    """
    opened = _opened(source)
    try:
        opened.load()
        with contextlib.suppress(SyntaxError, ValueError, struct.error):  # notes that can't be read turn nothing
            opened = ImageOps.exif_transpose(opened)
        picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInput(f"The picture breaks off: {error}.", hint="Save it again.", param="image") from error
    if 0 in picture.size:
        raise InvalidInput("The picture has no pixels.", hint="Pass one that has some.", param="image")
    profile = opened.info.get("icc_profile")
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def read_made(data: bytes, *, model: str) -> Image.Image:
    """Return a picture that a model made; raises ProviderError where it can't be read."""
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ProviderError(f"{model!r} answered with a picture that can't be read.", hint="Ask again.") from error
    return picture


def write_png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG file without what its maker noted in it."""
    out = io.BytesIO()
    bare = picture.copy()
    bare.info = {}
    bare.save(out, "PNG")
    return out.getvalue()


def _opened(source: Source) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if not isinstance(source, str | Path | bytes):
        raise InvalidInput(
            f"A {type(source).__name__} is no picture.", hint="Pass a PIL image, a path or bytes.", param="image"
        )
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {source!s}.", hint="Check the path.", param="image") from error
    except Image.DecompressionBombError as error:
        raise InvalidInput(f"The picture is too large: {error}", hint="Pass a smaller one.", param="image") from error
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidInput(
            f"The picture can't be read: {error}.", hint="Pass a PNG, JPEG, WebP or another format of Pillow's.",
            param="image",
        ) from error  # fmt: skip
