"""Who is looking: the name under which votes and ratings are written."""

from __future__ import annotations

import streamlit as st

from workbench.feedback import local_rater

_KEPT = "visitor"


def sign_in() -> None:
    """Let the visitor say who they are; on a laptop it is the user who started the app."""
    st.session_state.setdefault(_KEPT, local_rater())
    with st.sidebar:
        name = st.text_input("Your name", value=st.session_state[_KEPT], help="Votes and ratings are written under it.")
    if name.strip():
        st.session_state[_KEPT] = name.strip()


def visitor() -> str:
    """Return the visitor's name."""
    name: str = st.session_state.get(_KEPT) or local_rater()
    return name
