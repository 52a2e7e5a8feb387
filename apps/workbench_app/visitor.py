"""Who is looking: what they may see, and the name under which their votes and ratings are written."""

from __future__ import annotations

import streamlit as st

from workbench.feedback import local_rater
from workbench_app.audience import app_settings
from workbench_app.guests import COOKIE, guest_name

_KEPT = "visitor"
_PASSED_ON = ("X-Forwarded-For", "Forwarded")


def may_see_all() -> bool:
    """Return whether the visitor may use every page; who may not has the vote page, by a link."""
    settings = app_settings()
    if settings.user_header:
        return _named() is not None
    return settings.visitors == "owner"


def acts_as_owner() -> bool:
    """Return whether what a visitor presses may be done at the gateway as the user who runs the app.

    Where a proxy names visitors it may not: it is told who they are, and the gateway is not.
    """
    settings = app_settings()
    return settings.visitors == "owner" and not settings.user_header


def sign_in() -> None:
    """Let the visitor say who they are; on a laptop it is the user who started the app."""
    named = _named()
    if named is not None:
        st.session_state[_KEPT] = named
        return
    st.session_state.setdefault(_KEPT, local_rater())
    with st.sidebar:
        name = st.text_input("Your name", value=st.session_state[_KEPT], help="Votes and ratings are written under it.")
    if name.strip():
        st.session_state[_KEPT] = name.strip()


def visitor() -> str:
    """Return the visitor's name."""
    name: str = _named() or st.session_state.get(_KEPT) or local_rater()
    return name


def rater(link_for: str | None) -> str | None:
    """Return under whose name somebody votes who came by a link, or None where a name is needed and there is none.

    A link of one's own names its rater. Else it is the account, then the user of this machine who is at this machine,
    then the guest that the browser's cookie stands for.
    """
    if link_for is not None:
        return link_for
    if (named := _named()) is not None:
        return named
    settings = app_settings()
    guest = guest_name(st.context.cookies.get(COOKIE)) if settings.guests else None
    if settings.visitors == "raters" or settings.user_header:
        return guest
    return visitor() if _is_here() else guest


def _named() -> str | None:
    """Return whom the proxy names that signs people in, where there is one."""
    header = app_settings().user_header
    return (st.context.headers.get(header) or "").strip() or None if header else None


def _is_here() -> bool:
    return st.context.ip_address is None and not any(name in st.context.headers for name in _PASSED_ON)
