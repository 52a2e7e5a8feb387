"""Pictures as people have them: held sideways, transparent, in palettes, broken."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from workbench.errors import InvalidInput, ProviderError
from workbench.images.picture import read_made, read_picture, write_png


def as_file(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_a_picture_that_was_held_sideways_is_turned_upright():
    sideways = Image.new("RGB", (30, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(as_file(sideways, "JPEG", exif=exif)).size == (10, 30)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB", "I;16"])
def test_any_mode_without_transparency_becomes_rgb(mode):
    assert read_picture(Image.new(mode, (4, 3))).mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_any_mode_with_transparency_becomes_rgba(mode):
    assert read_picture(Image.new(mode, (4, 3))).mode == "RGBA"


def test_a_path_bytes_and_a_pil_image_are_the_same(tmp_path):
    picture = Image.effect_noise((8, 8), 50).convert("RGB")
    (tmp_path / "a.png").write_bytes(as_file(picture))
    ways = (picture, as_file(picture), tmp_path / "a.png", str(tmp_path / "a.png"))
    assert [read_picture(way).tobytes() for way in ways] == [picture.tobytes()] * 4


def test_what_was_passed_is_not_changed():
    picture = Image.new("P", (4, 4))
    read_picture(picture)
    assert picture.mode == "P"


def test_the_colour_profile_stays_and_nothing_else_leaves_the_machine():
    profile = b"not read, only kept"
    held = as_file(Image.new("RGB", (4, 4)), icc_profile=profile, exif=b"Exif\0\0where I live")
    assert read_picture(held).info == {"icc_profile": profile}
    sent = write_png(read_picture(held))
    assert b"where I live" not in sent
    assert "icc_profile" not in Image.open(io.BytesIO(sent)).info


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere.png", "There is no file nowhere.png"),
        (b"no picture", "can't be read"),
        (as_file(Image.effect_noise((64, 64), 50))[:200], "breaks off"),
        (7, "A int is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(source, told):
    with pytest.raises(InvalidInput, match=told):
        read_picture(source)


def test_a_broken_picture_of_a_model_is_the_providers_fault():
    with pytest.raises(ProviderError, match="'painter' answered with a picture that can't be read"):
        read_made(b"no picture", model="painter")
