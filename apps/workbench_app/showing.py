"""How inputs and answers are shown: as plain text. What a model wrote is never rendered, so it can't fetch or run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from workbench.feedback import Answer


def show_inputs(inputs: Any) -> None:
    """Show what was asked: each variable under its name."""
    values = _variables(inputs)
    for name, value in values.items():
        if len(values) > 1:
            st.caption(name)
        st.text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


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


def _variables(inputs: Any) -> Mapping[str, Any]:
    """Return the example's own variables where the trace names them, else all of what went in."""
    if isinstance(inputs, Mapping):
        inner = inputs.get("inputs")
        return inner if isinstance(inner, Mapping) else inputs
    return {"input": inputs}
