"""Pieces of HTML: outputs, inputs and pairs, with everything that a model or a dataset wrote escaped."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}
_BOX = "white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto;border:1px solid #8888;border-radius:4px;padding:8px"


def output_panel(text: str | None, images: Iterable[bytes] = (), *, height: str = "24em") -> str:
    """Return one output in a box: its text as text, its images as images."""
    pictures = "".join(_picture(image) for image in images)
    words = "" if text is None and pictures else html.escape(text or "(empty)")
    return f'<div style="{_BOX};max-height:{height}">{words}{pictures}</div>'


def inputs_panel(inputs: Any) -> str:
    """Return an example's inputs, one a paragraph."""
    fields = inputs if isinstance(inputs, Mapping) else {"input": inputs}
    lines = "".join(
        f"<div><b>{html.escape(str(name))}</b>\n{html.escape(_as_text(value))}</div>" for name, value in fields.items()
    )
    return f'<div style="{_BOX};max-height:16em">{lines}</div>'


def side_by_side(title: str, left: str, right: str) -> str:
    """Return two panels beside each other below a title."""
    cell = 'style="vertical-align:top;text-align:left;width:50%"'
    return (
        f"<div><b>{html.escape(title)}</b></div>"
        f'<table style="width:100%;table-layout:fixed"><tr><th {cell}>left</th><th {cell}>right</th></tr>'
        f"<tr><td {cell}>{left}</td><td {cell}>{right}</td></tr></table>"
    )


def _picture(image: bytes) -> str:
    media = next((name for magic, name in _MEDIA.items() if image.startswith(magic)), None)
    if media is None:
        return f"<i>{len(image)} bytes that are no image</i>"
    encoded = base64.b64encode(image).decode("ascii")
    return f'<img alt="output" style="max-width:100%" src="data:{media};base64,{encoded}">'


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
