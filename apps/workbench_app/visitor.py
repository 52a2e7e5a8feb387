"""Who is looking: the name under which votes and ratings are written."""

from __future__ import annotations

import getpass

import streamlit as st

_KEPT = "visitor"


def sign_in() -> None:
    """Let the visitor say who they are; on a laptop it is the user who started the app."""
    st.session_state.setdefault(_KEPT, _local_user())
    with st.sidebar:
        name = st.text_input("Your name", value=st.session_state[_KEPT], help="Votes and ratings are written under it.")
    if name.strip():
        st.session_state[_KEPT] = name.strip()


def visitor() -> str:
    """Return the visitor's name."""
    name: str = st.session_state.get(_KEPT) or _local_user()
    return name


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account for this user id, as in some containers
        return "rater"
