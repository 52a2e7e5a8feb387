"""The difference of two texts, word by word, as HTML: what went is `<del>`, what came is `<ins>`.

Lines are matched first and words inside the lines that differ, so that long prompts cost little. The marks are told
by colour, by stroke and by the elements themselves; the colours are thin enough for light and dark pages.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\{\{\s*\w+\s*\}\}|\w+|\s+|[^\w\s]")
"""A word, a variable, white space, a sign; scripts without spaces go by character."""
_GONE = 'style="background:rgba(255,80,80,.28);text-decoration:line-through"'
_CAME = 'style="background:rgba(60,190,90,.28);text-decoration:underline"'


def marked(before: Sequence[str], after: Sequence[str]) -> str:
    """Return lines of two texts as one text with marks, escaped; to stand where white space counts."""
    shown: list[str] = []
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = "\n".join(before[a1:a2]), "\n".join(after[b1:b2])
        if tag == "equal":
            shown.append(html.escape(new))
        elif tag == "replace":
            shown.append(_words(old, new))
        else:
            shown.append(_gone(old) + _came(new))
    return "\n".join(shown)


def _words(old: str, new: str) -> str:
    before, after = _WORD.findall(old), _WORD.findall(new)
    shown: list[str] = []
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            shown.append(html.escape("".join(after[b1:b2])))
        else:
            shown.append(_gone("".join(before[a1:a2])) + _came("".join(after[b1:b2])))
    return "".join(shown)


def _gone(text: str) -> str:
    return f"<del {_GONE}>{html.escape(text)}</del>" if text else ""


def _came(text: str) -> str:
    return f"<ins {_CAME}>{html.escape(text)}</ins>" if text else ""
