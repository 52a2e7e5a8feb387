"""Where a picture lies in the larger one that is wanted: pixels or shares for each side, a size, or an aspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.errors import InvalidInput

Amount = int | float
Expand = Amount | Mapping[str, Amount]
Aspect = str | float | tuple[Amount, Amount]
SIDES = ("left", "top", "right", "bottom")
_MOST = 100_000
"""Pixels a side that nobody means."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture within a larger one; all in pixels."""

    inner: tuple[int, int]
    """Width and height of the picture."""
    left: int
    """What is added on the left."""
    top: int
    """What is added on top."""
    right: int
    """What is added on the right."""
    bottom: int
    """What is added at the bottom."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return self.inner[0] + self.left + self.right, self.inner[1] + self.top + self.bottom

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Where the picture lies in the whole: left, top, right, bottom."""
        return self.left, self.top, self.left + self.inner[0], self.top + self.inner[1]

    def scaled(self, scale: float) -> Frame:
        """Return the same on another scale, in whole pixels; at least one where there was one."""
        inner = (max(1, round(self.inner[0] * scale)), max(1, round(self.inner[1] * scale)))
        added = (max(1, round(side * scale)) if side else 0 for side in (self.left, self.top, self.right, self.bottom))
        return Frame(inner, *added)


def frame_of(
    inner: tuple[int, int], *, expand: Expand | None, size: tuple[int, int] | None, aspect: Aspect | None
) -> Frame:
    """Return the frame that is wished for: exactly one of the three must be told, and it must add something."""
    told = [name for name, wish in (("expand", expand), ("size", size), ("aspect", aspect)) if wish is not None]
    if len(told) != 1:
        found = f"{' and '.join(told)} were told" if told else "nothing was told"
        raise InvalidInput(
            f"How far to paint is told in one way, and {found}.",
            hint='Pass `expand=0.25`, `expand={"left": 200}`, `size=(1200, 800)` or `aspect="16:9"`.',
            param="expand",
        )
    if expand is not None:
        frame = _by_sides(inner, expand)
    elif size is not None:
        frame = _centred(inner, pair_of(size, "size"), "size")
    else:
        assert aspect is not None
        frame = _centred(inner, _around(inner, _ratio(aspect)), "aspect")
    if frame.size == inner:
        raise InvalidInput(
            f"Nothing would be added to a picture of {inner[0]}x{inner[1]}.",
            hint=f"Ask for more by `{told[0]}=`.",
            param=told[0],
        )
    return frame


def _by_sides(inner: tuple[int, int], expand: Expand) -> Frame:
    wishes = expand if isinstance(expand, Mapping) else dict.fromkeys(SIDES, expand)
    if unknown := sorted(set(wishes) - set(SIDES)):
        raise InvalidInput(
            f"{unknown[0]!r} is no side of a picture.", hint=f"Known: {', '.join(SIDES)}.", param="expand"
        )
    width, height = inner
    wide = {"left": width, "right": width, "top": height, "bottom": height}
    return Frame(inner, *(_pixels(wishes.get(side, 0), wide[side], side) for side in SIDES))


def _pixels(wish: Amount, length: int, side: str) -> int:
    """Return pixels: a whole number is pixels, another one a share of the picture's own length."""
    if isinstance(wish, bool) or not isinstance(wish, int | float) or not 0 <= wish <= _MOST:
        raise InvalidInput(
            f"{wish!r} can't be added on the {side}.",
            hint="Pass pixels as a whole number, or a share of the picture such as 0.25.",
            param="expand",
        )
    pixels = wish if isinstance(wish, int) else round(wish * length)
    if pixels > _MOST:
        raise InvalidInput(
            f"{wish!r} on the {side} would be {pixels} pixels.",
            hint="A number with a point is a share of the picture; pixels are whole numbers.",
            param="expand",
        )
    return pixels


def _centred(inner: tuple[int, int], size: tuple[int, int], name: str) -> Frame:
    (width, height), (wide, high) = inner, size
    if wide < width or high < height:
        raise InvalidInput(
            f"The picture has {width}x{height} pixels, which is more than {wide}x{high}.",
            hint="Pass a larger size, or a picture that was made smaller.",
            param=name,
        )
    left, top = (wide - width) // 2, (high - height) // 2
    return Frame(inner, left, top, wide - width - left, high - height - top)


def pair_of(size: tuple[int, int], param: str) -> tuple[int, int]:
    """Return width and height; raises InvalidInput where they are none."""
    try:
        width, height = size
    except (TypeError, ValueError):
        width, height = 0, 0
    whole = all(isinstance(side, int) and 0 < side <= _MOST for side in (width, height))
    if not whole:
        raise InvalidInput(f"{size!r} is no size.", hint="Such as (1200, 800).", param=param)
    return width, height


def _around(inner: tuple[int, int], ratio: float) -> tuple[int, int]:
    """Return the smallest size of a ratio that holds the picture."""
    width, height = inner
    return max(width, round(height * ratio)), max(height, round(width / ratio))


def _ratio(aspect: Aspect) -> float:
    try:
        if isinstance(aspect, str):
            wide, high = aspect.split(":")
            ratio = float(wide) / float(high)
        elif isinstance(aspect, tuple):
            wide_side, high_side = aspect
            ratio = wide_side / high_side
        else:
            ratio = float(aspect)
    except (TypeError, ValueError, ZeroDivisionError):
        ratio = 0.0
    if not 0.05 <= ratio <= 20:
        raise InvalidInput(
            f"{aspect!r} is no aspect.", hint='Such as "16:9", (16, 9) or 1.78; from 1:20 to 20:1.', param="aspect"
        )
    return ratio
