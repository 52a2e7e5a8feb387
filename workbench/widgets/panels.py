"""Pieces of HTML: outputs, inputs and pairs, with everything that a model or a dataset wrote escaped."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.feedback import Answer

_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}
_LEFT = 'style="text-align:left"'
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


def columns(panels: Iterable[tuple[str, str]]) -> str:
    """Return panels beside each other, each below its title."""
    shown = list(panels)
    cell = f'style="vertical-align:top;text-align:left;width:{100 // max(len(shown), 1)}%"'
    heads = "".join(f'<th scope="col" {cell}>{html.escape(title)}</th>' for title, _ in shown)
    cells = "".join(f"<td {cell}>{panel}</td>" for _, panel in shown)
    return f'<table style="width:100%;table-layout:fixed"><tr>{heads}</tr><tr>{cells}</tr></table>'


def button(
    verb: str, words: str, *, keys: str = "", shown: str = "", main: bool = False, disabled: bool = False
) -> str:
    """Return a button that tells `verb` when it or one of its `keys` is pressed; of these it names `shown`.

    `keys` stand apart by spaces and are named as browsers name them.
    """
    said = f'data-keys="{html.escape(keys)}" aria-keyshortcuts="{html.escape(keys)}"' if keys else ""
    state = ' class="wb-main"' * main + " disabled" * disabled
    named = f"<kbd>{html.escape(shown)}</kbd>" if shown else ""
    return f'<button type="button" data-do="{html.escape(verb)}" {said}{state}>{html.escape(words)}{named}</button>'


def controls(label: str, *parts: str) -> str:
    """Return buttons and fields in a row."""
    return f'<div class="wb-controls" role="group" aria-label="{html.escape(label)}">{"".join(parts)}</div>'


def progress_bar(done: int, count: int, words: str) -> str:
    """Return a bar with its words."""
    shown = html.escape(words)
    return f'<div><progress value="{done}" max="{max(count, 1)}" aria-label="{shown}"></progress>{shown}</div>'


def error_panel(error: WorkbenchError) -> str:
    """Return an error with its hint."""
    hint = f"<br>{html.escape(error.hint)}" if error.hint else ""
    return f"<b>Not done.</b> {html.escape(error.message)}{hint}"


def answer_panel(answer: Answer, *, height: str = "24em") -> str:
    """Return one answer: what went wrong with it, its text, its images."""
    text = answer.text if answer.text is not None or answer.outputs is None else _as_text(answer.outputs)
    wrong = f"<i>{html.escape(answer.error)}</i>" if answer.error else ""
    return wrong + output_panel(text, answer.images, height=height)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> str:
    """Return a table of texts; None is an empty cell."""
    heads = "".join(f'<th scope="col" {_LEFT}>{html.escape(each)}</th>' for each in head)
    lines = "".join(
        "<tr>" + "".join(f"<td {_LEFT}>{html.escape('' if cell is None else str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    name = f'<caption {_LEFT[:-1]};caption-side:top;font-weight:bold">{html.escape(caption)}</caption>'
    return f"<table>{name}<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _picture(image: bytes) -> str:
    media = next((name for magic, name in _MEDIA.items() if image.startswith(magic)), None)
    if media is None:
        return f"<i>{len(image)} bytes that are no image</i>"
    encoded = base64.b64encode(image).decode("ascii")
    return f'<img alt="output" style="max-width:100%" src="data:{media};base64,{encoded}">'


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
