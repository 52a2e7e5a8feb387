"""Multipart forms, read whole: the simulator keeps what it saw, so nothing is gained by reading in pieces.

Source: RFC 7578.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.simulator.reply import Refused

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_FIELD = re.compile(rb'\b(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form."""

    name: str
    """Name of the field."""
    filename: str | None
    """Name of the file; None for a text field."""
    content_type: str
    """Its media type; empty if none was told."""
    data: bytes
    """Its content."""


def parts_of(content_type: str, raw: bytes) -> list[Part]:
    """Return the parts of a form, in order; raises Refused where it can't be read or does not end."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise Refused(400, "A multipart/form-data body with a boundary is needed.")
    line = b"--" + (found.group(1) or found.group(2)).encode()
    pieces = (b"\r\n" + raw).split(b"\r\n" + line)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused(400, "The multipart body does not end with its boundary.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, blank, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = {name.lower(): value for name, value in _FIELD.findall(head)}
    if not blank or b"name" not in fields:
        raise Refused(400, "A part of the multipart body has no name.")
    kind = _TYPE.search(head.replace(b"\r\n", b"\n"))
    filename = fields.get(b"filename")
    return Part(
        name=fields[b"name"].decode("utf-8", "replace"),
        filename=None if filename is None else filename.decode("utf-8", "replace"),
        content_type=kind.group(1).decode("latin-1").strip() if kind else "",
        data=data,
    )
