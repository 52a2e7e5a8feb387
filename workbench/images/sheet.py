"""What a model paints on: a picture in its frame, and that on a canvas of a size that the model takes."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from workbench.images.frame import Frame, pair_of
from workbench.images.painters import Painter, scale_to


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a model paints on: a frame, in the middle of a canvas of a size that the model takes."""

    frame: Frame
    """What is wanted."""
    canvas: tuple[int, int]
    """Width and height of what is sent."""

    @classmethod
    def of(cls, frame: Frame, painter: Painter, canvas: tuple[int, int] | None) -> Sheet:
        """Return the sheet for a frame; a canvas that was told counts."""
        return cls(frame, painter.canvas_for(frame.size) if canvas is None else pair_of(canvas, "canvas"))

    @property
    def scale(self) -> float:
        """Pixels of the canvas for one of the result."""
        return scale_to(self.frame.size, self.canvas)

    @property
    def corner(self) -> tuple[float, float]:
        """Where the frame begins on the canvas."""
        (width, height), scale = self.frame.size, self.scale
        return (self.canvas[0] - width * scale) / 2, (self.canvas[1] - height * scale) / 2

    def laid(self, picture: Image.Image) -> Image.Image:
        """Return the canvas with the picture on it, transparent where there is nothing yet."""
        left, top, right, bottom = self._box(0)
        small = picture.resize((right - left, bottom - top), Image.Resampling.LANCZOS).convert("RGBA")
        laid = Image.new("RGBA", self.canvas, (255, 255, 255, 0))
        # A picture that is transparent itself stands on white: transparent means "paint here".
        laid.paste(Image.alpha_composite(Image.new("RGBA", small.size, "white"), small), (left, top))
        return laid

    def mask(self, feather: int) -> Image.Image:
        """Return the mask: transparent where to paint."""
        mask = Image.new("RGBA", self.canvas, (0, 0, 0, 0))
        mask.paste((0, 0, 0, 255), self._box(feather))
        return mask

    def cut(self, painted: Image.Image) -> Image.Image:
        """Return the frame's part of what was painted, in the frame's own size."""
        (left, top), (width, height), scale = self.corner, self.frame.size, self.scale
        box = (left, top, min(left + width * scale, painted.width), min(top + height * scale, painted.height))
        return painted.resize(self.frame.size, Image.Resampling.LANCZOS, box=box)

    def _box(self, feather: int) -> tuple[int, int, int, int]:
        """Return where the picture lies on the canvas, less what is painted over on the sides that grow."""
        frame, scale, (x, y) = self.frame, self.scale, self.corner
        left, top, right, bottom = frame.box
        left, right = left + (feather if frame.left else 0), right - (feather if frame.right else 0)
        top, bottom = top + (feather if frame.top else 0), bottom - (feather if frame.bottom else 0)
        first, last = _between(x + left * scale, x + right * scale, self.canvas[0])
        upper, lower = _between(y + top * scale, y + bottom * scale, self.canvas[1])
        return first, upper, last, lower


def _between(start: float, end: float, length: int) -> tuple[int, int]:
    """Return both ends in whole pixels, at least one pixel apart."""
    first = min(round(start), length - 1)
    return first, max(first + 1, min(round(end), length))
