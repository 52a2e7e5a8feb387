"""Keys go from texts, however they were shown; what is none stays to the letter."""

import base64
import json
import os
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.wire.key_format import new_secret
from workbench_jupyter.scrubbing.texts import Scrubber

KEY = new_secret("wbx-")
REFERENCE = "wbr-" + "r" * 43
BY_SHAPE = Scrubber()
KNOWING = Scrubber([KEY, "a-providers-own-credential"])
ANSI = f"\x1b[32m'{KEY[:9]}\x1b[39m\x1b[1m{KEY[9:]}'\x1b[0m"


def letters(text):
    """Return every piece of the key that is long enough to be of use."""
    return [KEY[start : start + 16] for start in range(len(KEY) - 15) if KEY[start : start + 16] in text]


@pytest.mark.parametrize("prefix", ["wbx-", "wbp-", "wbo-"])
def test_a_key_or_token_goes_and_its_kind_can_still_be_seen(prefix):
    key = new_secret(prefix)
    assert BY_SHAPE.scrub(f"key={key}&x, {key}.") == f"key={prefix}[removed]&x, {prefix}[removed]."


def test_a_kernels_reference_goes_too():
    assert BY_SHAPE.scrub(f"OPENAI_API_KEY={REFERENCE}\n") == "OPENAI_API_KEY=wbr-[removed]\n"


def test_what_stands_right_behind_a_whole_key_stays():
    assert BY_SHAPE.scrub(f"{KEY}Traceback") == "wbx-[removed]Traceback"


def test_a_key_that_a_narrow_column_cut_off_goes():
    assert BY_SHAPE.scrub(f"0  {KEY[:30]}...") == "0  wbx-[removed]..."


def test_a_key_goes_through_colours_and_the_colours_stay():
    assert BY_SHAPE.scrub(ANSI) == "\x1b[32m'wbx-[removed]\x1b[39m\x1b[1m'\x1b[0m"


def test_a_prefix_that_a_colour_divides_is_seen():
    assert not letters(BY_SHAPE.scrub(f"\x1b[31mw\x1b[0mbx\x1b[1m-{KEY[4:]}"))


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"user:"])
def test_a_key_in_base64_goes(before):
    for behind in (b"", b" and more of it"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            scrubbed = BY_SHAPE.scrub(f"Basic {encode(before + KEY.encode() + behind).decode()} is it")
            assert "[removed]" in scrubbed
            assert scrubbed.startswith("Basic ")
            assert scrubbed.endswith(" is it")


def test_a_key_in_hex_goes():
    assert BY_SHAPE.scrub(f"<{KEY.encode().hex()}>") == "<[removed]>"


@pytest.mark.parametrize("encode", [quote, json.dumps, repr, str.encode])
def test_encodings_that_leave_a_key_as_it_is_hide_it_from_nobody(encode):
    assert not letters(BY_SHAPE.scrub(str(encode(f"x {KEY} y"))))


def test_a_picture_is_never_taken_for_a_key():
    picture = base64.b64encode(b"wbx-" + os.urandom(300_000) + b"..wbp-" + os.urandom(100)).decode()
    assert BY_SHAPE.scrub(picture) == picture


def test_a_known_key_goes_without_its_beginning_and_when_a_line_breaks_it():
    assert not letters(KNOWING.scrub(f"{KEY[4:]} {KEY[:25]}\n{KEY[25:]}"))
    assert KNOWING.scrub(f"_{KEY[20:]}_") == "_wbx-[removed]_"


def test_a_known_secret_of_any_shape_goes():
    assert KNOWING.scrub("ANTHROPIC_API_KEY=a-providers-own-credential;") == "ANTHROPIC_API_KEY=[removed];"


def test_a_short_secret_is_left_alone_because_it_may_be_a_word():
    assert Scrubber(["admin"]).scrub("the admin") == "the admin"


def test_a_key_that_begins_in_one_string_of_a_list_and_ends_in_another_goes():
    for cuts in ((2, 3), (10, 40), (4, 5)):
        texts = ["it is " + KEY[: cuts[0]], KEY[cuts[0] : cuts[1]], KEY[cuts[1] :] + " it is", "end"]
        assert "".join(BY_SHAPE.scrub_strings(texts)) == "it is wbx-[removed] it isend"
        assert len(BY_SHAPE.scrub_strings(texts)) == 4


def test_two_keys_in_one_list_go_each():
    texts = [f"{KEY} {KEY[:20]}", f"{KEY[20:]}\n", f"{KEY}\n"]
    assert BY_SHAPE.scrub_strings(texts) == ["wbx-[removed] wbx-[removed]", "\n", "wbx-[removed]\n"]


def test_of_what_somebody_wrote_only_a_whole_key_goes():
    written = f"if key.startswith('wbx-'): client('{KEY}', 'wbx-{'0' * 49}', '{KEY[:30]}')"
    assert BY_SHAPE.scrub_source(written) == written.replace(KEY, "wbx-[removed]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wbx-",
        "wb",
        "a wbx-ray",
        "wbx-short",
        "twbr-flow",
        "\x1b[31mred\x1b[0m",
        "d2J4L",
        "\x1b[",
        "wbx-\n" + "a" * 60,
    ],
)
def test_what_is_no_key_stays(text):
    assert BY_SHAPE.scrub(text) == KNOWING.scrub(text) == text


@given(st.text(), st.text())
def test_whatever_stands_around_a_key_stays(before, behind):
    cut = BY_SHAPE.scrub(f"{before}\n{KEY}\n{behind}")
    assert cut == f"{before}\nwbx-[removed]\n{behind}"


@given(st.text())
def test_a_text_that_is_not_suspect_is_not_changed_and_a_changed_one_was_suspect(text):
    for whole in (text, text + KEY[20:], text + KEY):
        assert KNOWING.suspects(whole) or KNOWING.scrub(whole) == whole
    assert KNOWING.suspects(text + KEY[20:])
