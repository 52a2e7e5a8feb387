"""How inputs and answers are shown: nothing that a model wrote can fetch or run.

Answers are Markdown whose tags are text and whose pictures are links; inputs are plain text.
"""

from __future__ import annotations

import html
import json
from typing import Any

import streamlit as st

from workbench.feedback import Answer
from workbench.interactive.markdown import bundle

_MANY_LINES = 12
_ONE_SCREEN = """<style>
[class*="st-key-answer-"] { max-height: 52vh; overflow-y: auto; }
[data-testid="stMainBlockContainer"] { padding-top: 1.5rem; padding-bottom: 1rem; }
[data-testid="stHeader"] { display: none; }
</style>"""


def show_inputs(answer: Answer) -> None:
    """Show what was asked: each variable under its name; what is long scrolls, so that the answers stay in sight."""
    values = {name: _as_text(value) for name, value in answer.variables.items()}
    lines = sum(1 + len(line) // 120 for text in values.values() for line in text.splitlines())
    with st.expander("What was asked", expanded=True):
        place = st.container(height=260, border=False) if lines > _MANY_LINES else st.container()
    for name, text in values.items():
        if len(values) > 1:
            place.caption(name)
        place.text(text)


def show_answer(answer: Answer) -> None:
    """Show one answer: its error, its text, its images."""
    if answer.error:
        st.warning(answer.error)
    if answer.text is not None:
        _show_text(answer.text)
    elif not answer.images and not answer.error:
        st.text(json.dumps(answer.outputs, ensure_ascii=False, indent=2))
    for image in answer.images:
        st.image(image)


def show_question(question: str) -> None:
    """Show what is asked, as it was written."""
    st.html(f"<h4 style='margin:0'>{html.escape(question)}</h4>")


def fit_to_screen() -> None:
    """Let answers scroll by themselves, so that the buttons below them stay in sight."""
    st.html(_ONE_SCREEN)


def _show_text(text: str) -> None:
    if text.strip():
        st.html(bundle(text)["text/html"])
    else:
        st.caption("(empty)")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
