"""A model's words as Markdown that a front end may show: its markup is kept, and nothing in it is run or fetched.

A front end runs the scripts of an output that was just computed, and loads its pictures. So HTML is shown as text, and
a picture becomes a link; rendered by markdown-it-py, which rich brings, since front ends differ in how they parse.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")


def bundle(text: str, *, note: str = "") -> dict[str, str]:
    """Return what a cell keeps of a text: HTML, Markdown and plain; `note` stands below it in small letters."""
    shown = f'<div style="opacity:.6;font-size:85%">{html.escape(note)}</div>' if note else ""
    below = f"\n\n*{note}*" if note else ""
    return {
        "text/html": f"<div>{_renderer().render(text)}</div>{shown}",
        "text/markdown": harmless(text) + below,
        "text/plain": text + (f"\n[{note}]" if note else ""),
    }


def harmless(text: str) -> str:
    """Return Markdown in which a tag is text and a picture a link, whichever parser reads it."""
    return _PICTURE.sub("", _TAG.sub("&lt;", text))


@lru_cache(maxsize=1)
def _renderer() -> Any:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - loads with the first answer that is shown

    # `html` off shows tags as text; links to scripts are refused by the library itself.
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.add_render_rule("image", _picture)
    return made


def _picture(_self: Any, tokens: Any, index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    where = html.escape(str(token.attrs.get("src", "")))
    return f'<a href="{where}" rel="noreferrer">{html.escape(token.content) or where}</a>'
