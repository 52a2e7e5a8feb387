"""What every view does at its door: choose what it is about, and tell errors as a person would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from workbench import experiments
from workbench.errors import WorkbenchError


@contextmanager
def told() -> Iterator[None]:
    """Show an error of the workbench as a message with its hint, and end the page there."""
    try:
        yield
    except WorkbenchError as error:
        tell(error)
        st.stop()


def tell(error: WorkbenchError) -> None:
    """Show an error with its hint."""
    st.error(error.message, icon=":material/error:")
    if error.hint:
        st.caption(error.hint)


def choose_experiment(*, candidates: int = 1) -> experiments.Listed:
    """Return the experiment that the visitor chose, the newest at first; ends the page where there is none."""
    found = [each for each in experiments.recent() if len(each.runs) >= candidates]
    if not found:
        st.info("No experiment to show yet.", icon=":material/science:")
        st.caption("Run one in a notebook with `wb.experiments.run(...)`, or run `workbench demo`.")
        st.stop()
    with st.sidebar:
        chosen: experiments.Listed = st.selectbox("Experiment", found, format_func=_label)
    return chosen


def choose_pair(experiment: experiments.Listed) -> tuple[str, str]:
    """Return the MLflow runs of the two candidates that the visitor compares."""
    names = list(experiment.runs)
    with st.sidebar.expander("Candidates"):
        first = st.selectbox("One", names, index=0)
        second = st.selectbox("The other", [name for name in names if name != first], index=0)
    return experiment.runs[first], experiment.runs[second]


def _label(experiment: experiments.Listed) -> str:
    # Streamlit tells options apart by their labels: two of the same minute need more than the time.
    return f"{experiment.name} · {experiment.started_at:%d %b %H:%M} · {experiment.experiment_id[-6:]}"
