"""Multipart bodies: parts are found wherever the pieces are cut, only what is replaced differs, faults are named."""

from __future__ import annotations

import tempfile
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from workbench.gateway.unified.body import ClientLeft
from workbench.gateway.unified.form import IN_MEMORY, Form, read_form
from workbench.gateway.unified.multipart import Scanner, boundary_of

KIND = b"multipart/form-data; boundary=edge"


def part(name: str, value: bytes, *, filename: str | None = None, kind: str | None = None) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return head.encode() + b"\r\n\r\n" + value


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="model"\r\nContent-Disposition: form-data; name="x"',
        b'Content-Disposition: form-data; name="model"\nContent-Disposition: form-data; name="x"',
        b'Content-Disposition: form-data; name="model"; name="x"',
        b"Content-Disposition: form-data; name=\"x\"; name*=utf-8''model",
        b'Content-Disposition: form-data; name="x"\r\n ; name="model"; a=":"',
    ],
)
def test_a_part_whose_name_parsers_read_in_two_ways_is_refused(head: bytes) -> None:
    scanner = Scanner(b"edge")
    with pytest.raises(InvalidInput, match="part"):
        scanner.feed(b"--edge\r\n" + head + b"\r\n\r\nlarge\r\n--edge--\r\n")


def body_of(*parts: bytes, before: bytes = b"", behind: bytes = b"") -> bytes:
    return before + b"".join(b"--edge\r\n" + one + b"\r\n" for one in parts) + b"--edge--\r\n" + behind


def receiver(*chunks: bytes, left: bool = False):
    messages = [
        {"type": "http.request", "body": c, "more_body": left or n < len(chunks) - 1} for n, c in enumerate(chunks)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def form_of(*chunks: bytes, kind: bytes = KIND, limit: int = 10**8) -> Form:
    return await read_form(receiver(*chunks), {b"content-type": kind}, limit=limit)


async def sent(form: Form, values: dict[str, bytes]) -> bytes:
    whole = b"".join([piece async for piece in form.body_with(values)])
    assert len(whole) == form.size_with(values)
    return whole


VALUES = st.lists(
    st.sampled_from([b"", b"\r\n", b"--edge", b"-", b"x", b"\r\n--edg", b"\r", b"\x00\xff", b"--"]), max_size=6
)


@given(values=st.lists(VALUES.map(b"".join), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6),
       before=st.sampled_from([b"", b"preamble\r\n", b"\r\n"]))  # fmt: skip
def test_parts_are_found_wherever_the_body_is_cut(values: list[bytes], cuts: list[int], before: bytes) -> None:
    values = [value for value in values if b"\r\n--edge" not in b"\r\n" + value and not value.endswith(b"\r")]
    body = body_of(
        *(part(f"p{n}", value) for n, value in enumerate(values)), before=before, behind=b"--edge\r\nepilogue"
    )
    scanner = Scanner(b"edge")
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    for start, end in pairwise(places):
        scanner.feed(body[start:end])
    if values:
        assert [body[one.start : one.end] for one in scanner.finish()] == values


async def test_only_what_is_replaced_differs() -> None:
    blob = bytes(range(256)) * 100
    body = body_of(
        part("file", blob, filename='ü \\"x\\".png', kind="image/png"),
        part("model", b"short"),
        part("n", b"2"),
        before=b"preamble\r\n",
        behind=b"epilogue",
    )
    form = await form_of(body[:77], body[77:78], body[78:])
    file = form.named("file")[0]
    assert (file.filename, file.content_type, form.read(file)) == ('ü "x".png', "image/png", blob)
    assert form.text("n") == "2"
    assert await sent(form, {}) == body
    assert await sent(form, {"model": b"a/longer-name"}) == body.replace(b"short", b"a/longer-name")
    assert await sent(form, {"model": b""}) == body.replace(b"short", b"")
    form.close()


async def test_a_large_body_waits_on_disk_and_is_read_again_and_again() -> None:
    blob = b"\x01\x02" * IN_MEMORY
    body = body_of(part("model", b"m"), part("file", blob, filename="x"))
    form = await form_of(*(body[at : at + 65536] for at in range(0, len(body), 65536)))
    assert isinstance(form.body._file, tempfile.SpooledTemporaryFile)
    assert form.body._file._rolled  # type: ignore[attr-defined]
    for name in (b"one", b"another"):
        assert await sent(form, {"model": name}) == body.replace(b"\r\n\r\nm\r\n", b"\r\n\r\n" + name + b"\r\n")
    form.close()


async def test_the_same_form_has_the_same_digest_whatever_its_boundary() -> None:
    body = body_of(part("a", b"1"), part("f", b"x", filename="f"))
    one = await form_of(body)
    other = await form_of(body.replace(b"edge", b"brink"), kind=KIND.replace(b"edge", b"brink"))
    changed = await form_of(body_of(part("a", b"2"), part("f", b"x", filename="f")))
    assert one.digest() == other.digest() != changed.digest()


@pytest.mark.parametrize(("body", "said"), [
    (b"", "boundary stands nowhere"), (b"hello", "boundary stands nowhere"), (b"--other\r\n\r\n--other--", "nowhere"),
    (b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', "middle of part 'a'"),
    (b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--", "no name"),
    (b"--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n--edge--", "no content-disposition"),
    (b"--edge\r\nnonsense\r\n\r\nx\r\n--edge--", "no header"),
    (b"--edgeX\r\n\r\n", "neither a line end"), (b"--edge--", "no parts"),
    (b'--edge\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--edge--', "not UTF-8"),
    (b'--edge\r\nContent-Disposition: form-data; name="a\x00"\r\n\r\nx\r\n--edge--', "NUL"),
    (b"--edge\r\n" + b"x" * 20_000, "over 16384 bytes"),
    (b'--edge\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--edge--',
     "transfer encoding"),
    (body_of(*(part("a", b"") for _ in range(300))), "more than 200 parts"),
])  # fmt: skip
async def test_a_bad_form_is_refused_with_its_fault(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        await form_of(body)
    assert (caught.value.error_code, caught.value.status) == ("invalid_multipart", 400)


@pytest.mark.parametrize(
    "kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b'multipart/form-data; boundary="\xff"']
)
def test_a_boundary_must_be_named(kind: bytes) -> None:
    with pytest.raises(InvalidInput, match="boundary"):
        boundary_of(kind)


def test_a_quoted_boundary_is_read() -> None:
    assert boundary_of(b'multipart/form-data; charset=utf-8; Boundary="a b=c"') == b"a b=c"


async def test_too_much_another_kind_and_a_client_that_leaves_are_told_apart() -> None:
    with pytest.raises(PayloadTooLarge):
        await form_of(body_of(part("a", b"x" * 100)), limit=50)
    with pytest.raises(UnsupportedMedia):
        await form_of(b"{}", kind=b"application/json")
    with pytest.raises(ClientLeft):
        await read_form(receiver(b"--edge", left=True), {b"content-type": KIND}, limit=10)


async def test_a_field_that_stands_twice_is_named() -> None:
    form = await form_of(body_of(part("model", b"a"), part("model", b"b")))
    with pytest.raises(InvalidInput) as caught:
        form.text("model")
    assert caught.value.param == "model"
