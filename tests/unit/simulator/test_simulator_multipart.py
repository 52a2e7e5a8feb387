"""Forms are read as they were written by a library that is not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from workbench.simulator.multipart import Part, parts_of
from workbench.simulator.reply import Refused


@given(st.lists(st.tuples(st.sampled_from(["file", "mask"]), st.binary(max_size=200)), max_size=4))
def test_files_come_out_as_they_went_in(files: list[tuple[str, bytes]]) -> None:
    fields = [(name, ("a.bin", data, "application/x")) for name, data in files]
    raw, kind = encode_multipart_formdata([*fields, ("model", "m \u00fc")], boundary="b0undary")
    assert parts_of(kind, raw) == [
        *(Part(name, "a.bin", "application/x", data) for name, data in files),
        Part("model", None, "", "m \u00fc".encode()),
    ]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno name\r\n--b--\r\n"),
    ],
)
def test_what_is_no_whole_form_is_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(Refused):
        parts_of(kind, raw)
