"""Models that paint: which sizes each takes and which field makes it answer with the picture itself, rows.

Sources: OpenAI, "Create image" and "Create image edit"; AWS, "Amazon Titan Image Generator" and "Amazon Nova Canvas".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Size = tuple[int, int]
_STEP = 16


def _and_turned(*sizes: Size) -> tuple[Size, ...]:
    return tuple(dict.fromkeys(turned for size in sizes for turned in (size, size[::-1])))


@dataclass(frozen=True, slots=True)
class Painter:
    """What a family of models takes."""

    pattern: str
    """Shell pattern of the provider's own model names."""
    sizes: tuple[Size, ...] = ()
    """Sizes of an edit; empty: any whose longer side is at most `longest`."""
    longest: int = 1024
    """Pixels, where any size is taken."""
    shortest: int = 256
    """Pixels of the shorter side, where any size is taken."""
    tells_size: bool = True
    """Whether an edit says how large its answer is to be; else that is the size of what was sent."""
    edits: bool = True
    """Whether it can paint on a picture."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What must be sent so that the answer holds the picture rather than a link to it."""

    def canvas_for(self, wanted: Size) -> Size:
        """Return the size to paint at: the smallest that is no smaller than what is wanted, else the one nearest."""
        if not self.sizes:
            return self._free(wanted)

        def rank(size: Size) -> tuple[float, ...]:
            scale, area = scale_to(wanted, size), size[0] * size[1]
            return (0.0, area) if scale >= 1 else (1.0, -scale, area)

        return min(self.sizes, key=rank)

    def _free(self, wanted: Size) -> Size:
        longer, shorter = max(wanted), min(wanted)
        scale = min(max(1.0, self.shortest / shorter), self.longest / longer)
        width, height = (max(_STEP, -(-side * scale // _STEP) * _STEP) for side in wanted)
        return int(width), int(height)


def scale_to(wanted: Size, canvas: Size) -> float:
    """Return the scale at which something of one size just fits into another."""
    return min(canvas[0] / wanted[0], canvas[1] / wanted[1])


_SQUARES = ((256, 256), (512, 512), (1024, 1024))
_BY_NAME = (
    Painter("gpt-image-*", sizes=_and_turned((1024, 1024), (1536, 1024))),
    Painter("chatgpt-image-*", sizes=_and_turned((1024, 1024), (1536, 1024))),
    Painter("dall-e-2*", sizes=_SQUARES, fields={"response_format": "b64_json"}),
    Painter("dall-e-3*", edits=False, fields={"response_format": "b64_json"}),
    Painter(
        "*amazon.titan-image-generator*",
        sizes=_and_turned(
            (1024, 1024), (768, 768), (512, 512), (768, 1152), (384, 576), (768, 1280), (384, 640), (896, 1152),
            (448, 576), (768, 1408), (384, 704), (640, 1408), (320, 704),
        ),
    ),
    Painter("*amazon.nova-canvas*", longest=2048, shortest=320),
    Painter("imagen-*", tells_size=False),
)  # fmt: skip
ANY = Painter("*", tells_size=False)
"""What is taken for granted of a model that no row knows."""


def painter_of(models: Iterable[str]) -> Painter:
    """Return the row of a model, by the names that its providers have for it."""
    names = list(models)
    return next((row for row in _BY_NAME if any(fnmatchcase(name, row.pattern) for name in names)), ANY)
