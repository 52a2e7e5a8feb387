"""Simulated pictures are PNG files, pixel by pixel what they were."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.simulator.picture import Picture, edited, inverted, painted, read, write
from workbench.simulator.reply import Refused

_pixel = st.tuples(*[st.integers(0, 255)] * 4)
_pictures = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda size: st.lists(_pixel, min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
        lambda pixels: Picture(*size, tuple(pixels))
    )
)


@given(_pictures)
def test_pillow_reads_what_is_written_here(picture: Picture) -> None:
    image = Image.open(io.BytesIO(write(picture)))
    assert image.size == (picture.width, picture.height)
    assert tuple(image.convert("RGBA").get_flattened_data()) == picture.pixels
    assert read(write(picture)) == picture


@given(_pictures, st.sampled_from(["RGBA", "RGB", "L", "LA"]))
def test_what_pillow_writes_is_read_here(picture: Picture, mode: str) -> None:
    image = Image.open(io.BytesIO(write(picture))).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert read(file.getvalue()).pixels == tuple(image.convert("RGBA").get_flattened_data())


def test_filtered_rows_are_read() -> None:
    image = Image.linear_gradient("L").convert("RGB").resize((64, 64))  # Pillow filters what is smooth
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    assert read(file.getvalue()).pixels == tuple(image.convert("RGBA").get_flattened_data())


def test_an_edit_takes_white_or_clear_as_its_mask() -> None:
    before = read(painted("before", width=2, height=1))
    white_black = Picture(2, 1, ((255, 255, 255, 255), (0, 0, 0, 255)))
    after = read(edited(before, white_black, "after", white_is_edited=True))
    assert [a == b for a, b in zip(before.pixels, after.pixels, strict=True)] == [False, True]
    other = read(edited(before, inverted(white_black), "after", white_is_edited=True))
    assert [a == b for a, b in zip(before.pixels, other.pixels, strict=True)] == [True, False]


@pytest.mark.parametrize("broken", [b"", b"GIF89a", painted("x")[:60], painted("x")[:-40]])
def test_what_is_no_whole_png_is_refused(broken: bytes) -> None:
    with pytest.raises(Refused):
        read(broken)
