"""Short fields are found in a form while it passes, wherever its bytes are cut."""

from __future__ import annotations

import pytest

from workbench.errors import InvalidInput
from workbench.gateway.native.multipart import Fields

WANTED = frozenset({"model", "stream"})
TYPE = "multipart/form-data; boundary=xyz"
MODEL = b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'
FORM = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="name=\\"model\\".wav"\r\n'
    b'Content-Type: audio/wav; name="model"\r\n\r\nRIFF\r\n--xy z\r\n--xyzz\r\n\r\n'
    b'\r\n--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b"--xyz\r\ncontent-disposition: form-data; name=stream\r\n\r\ntrue\r\n"
    b'--xyz\r\nContent-Disposition: form-data; name="empty"\r\n\r\n\r\n--xyz--\r\n'
)


def read(*pieces: bytes, content_type: str = TYPE) -> Fields:
    fields = Fields(content_type, WANTED)
    for piece in pieces:
        fields.feed(piece)
    return fields


def test_fields_are_found_wherever_the_bytes_are_cut() -> None:
    good = FORM.replace(b"--xyzz\r\n", b"--xy_\r\n")
    for cut in range(len(good)):
        fields = read(good[:cut], good[cut:])
        fields.end()
        assert fields.found == {"model": "whisper-1", "stream": "true"}
    assert read(*(good[at : at + 1] for at in range(len(good)))).found == {"model": "whisper-1", "stream": "true"}


def test_a_model_is_known_before_the_rest_has_come() -> None:
    start = b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\ntts\r\n--xyz\r\n'
    fields = read(start, b'Content-Disposition: form-data; name="file"\r\n\r\n', b"x" * 100_000)
    assert fields.found == {"model": "tts"}
    assert not fields.ended


@pytest.mark.parametrize(
    "body",
    [
        FORM,  # something stands behind a boundary
        MODEL % b"a" + MODEL % b"b" + b"--xyz--",
        b'--xyz\r\nContent-Disposition: form-data; name="a"; name="model"\r\n\r\na\r\n--xyz--',
        b'--xyz\r\nContent-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"\r\n\r\na',
        MODEL % (b"m" * 10_000) + b"--xyz--",
        b'--xyz\r\nContent-Disposition: form-data; filename="x" name="model"\r\n\r\na\r\n--xyz--',
        b"--xyz\r\nX: " + b"x" * 20_000,
    ],
)
def test_a_form_that_two_readers_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(body).end()
    assert refused.value.error_code == "invalid_multipart"


@pytest.mark.parametrize(
    "body", [b"", b"no form", b"--xyz\r\n", b'--xyz\r\nContent-Disposition: x; name="model"\r\n\r\na']
)
def test_a_form_that_stops_in_the_middle_is_refused(body: bytes) -> None:
    fields = read(body)
    with pytest.raises(InvalidInput):
        fields.end()


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Fields("multipart/form-data", WANTED)
