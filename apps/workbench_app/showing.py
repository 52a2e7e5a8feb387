"""How inputs and answers are shown: as plain text. What a model wrote is never rendered, so it can't fetch or run."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from workbench.feedback import Answer

_MANY_LINES = 12


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
        st.text(answer.text)
    elif not answer.images and not answer.error:
        st.text(json.dumps(answer.outputs, ensure_ascii=False, indent=2))
    for image in answer.images:
        st.image(image)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
