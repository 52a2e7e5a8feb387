"""Where a picture lies in the larger one, and on which size a model paints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.images.frame import Frame, frame_of
from workbench.images.painters import painter_of, scale_to
from workbench.images.sheet import Sheet


def frame(inner=(400, 200), **wish):
    return frame_of(inner, **{"expand": None, "size": None, "aspect": None, **wish})


def test_a_whole_number_is_pixels_on_each_side():
    assert frame(expand=30).size == (460, 260)


def test_a_share_is_of_the_pictures_own_width_and_height():
    assert frame(expand=0.5) == Frame((400, 200), 200, 100, 200, 100)


def test_sides_that_are_not_named_stay():
    assert frame(expand={"left": 10, "bottom": 0.1}) == Frame((400, 200), 10, 0, 0, 20)


def test_a_size_puts_the_picture_in_the_middle():
    assert frame(size=(501, 300)) == Frame((400, 200), 50, 50, 51, 50)


@pytest.mark.parametrize("aspect", ["1:1", (3, 3), 1.0])
def test_an_aspect_grows_the_short_sides_only(aspect):
    assert frame(aspect=aspect) == Frame((400, 200), 0, 100, 0, 100)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({}, "nothing was told"),
        ({"expand": 1, "aspect": "1:1"}, "expand and aspect were told"),
        ({"expand": 0}, "Nothing would be added"),
        ({"aspect": "2:1"}, "Nothing would be added"),
        ({"expand": -1}, "can't be added on the left"),
        ({"expand": True}, "can't be added"),
        ({"expand": float("nan")}, "can't be added"),
        ({"expand": "much"}, "can't be added"),
        ({"expand": 400.0}, "pixels are whole numbers"),
        ({"expand": {"lfet": 3}}, "'lfet' is no side"),
        ({"size": (300, 300)}, "The picture has 400x200 pixels"),
        ({"size": (500, 300.5)}, "is no size"),
        ({"size": 500}, "is no size"),
        ({"aspect": "16/9"}, "is no aspect"),
        ({"aspect": "1:0"}, "is no aspect"),
        ({"aspect": 100}, "is no aspect"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_to_do(wish, told):
    with pytest.raises(InvalidInput, match=told) as caught:
        frame(**wish)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("model", "wanted", "canvas"),
    [
        ("gpt-image-1", (800, 600), (1024, 1024)),
        ("gpt-image-1", (1400, 900), (1536, 1024)),
        ("gpt-image-1.5", (900, 1600), (1024, 1536)),
        ("gpt-image-1", (9000, 6000), (1536, 1024)),
        ("dall-e-2", (300, 200), (512, 512)),
        ("dall-e-2", (256, 100), (256, 256)),
        ("dall-e-2", (4000, 4000), (1024, 1024)),
        ("us.amazon.titan-image-generator-v2:0", (600, 400), (768, 768)),
        ("amazon.titan-image-generator-v2:0", (570, 380), (576, 384)),
        ("amazon.titan-image-generator-v2:0", (3000, 2000), (1152, 768)),
        ("amazon.nova-canvas-v1:0", (1800, 1200), (1808, 1200)),
        ("imagen-3.0-capability-001", (600, 400), (608, 400)),
        ("something-else", (2048, 1024), (1024, 512)),
        ("something-else", (64, 32), (512, 256)),
    ],
)
def test_a_model_paints_at_a_size_that_it_takes(model, wanted, canvas):
    assert painter_of([model]).canvas_for(wanted) == canvas


side = st.integers(1, 3000)
MODELS = st.sampled_from(["gpt-image-1", "dall-e-2", "amazon.titan-image-generator-v1", "amazon.nova-canvas-v1:0", "x"])


@given(inner=st.tuples(side, side), added=st.tuples(*[st.integers(0, 2000)] * 4), model=MODELS)
def test_the_frame_always_fits_on_the_canvas_and_the_picture_on_the_frame(inner, added, model):
    sheet = Sheet.of(Frame(inner, *added), painter_of([model]), None)
    (x, y), (width, height) = sheet.corner, sheet.frame.size
    assert min(x, y) > -1e-6
    assert x + width * sheet.scale <= sheet.canvas[0] + 1e-6
    assert y + height * sheet.scale <= sheet.canvas[1] + 1e-6
    left, top, right, bottom = sheet._box(0)
    assert 0 <= left < right <= sheet.canvas[0]
    assert 0 <= top < bottom <= sheet.canvas[1]
    assert sheet.scale == scale_to((width, height), sheet.canvas)
