"""One's own gateway keys: which there are, a new one that is shown once, and the end of one."""

from __future__ import annotations

import streamlit as st

from workbench.client.key_desk import KeyDesk
from workbench.services.embedded import running_gateway
from workbench.settings import mounted_environment
from workbench_app.doors import told
from workbench_app.visitor import acts_as_owner

TIMEOUT = 10.0
DAY = 86400
COLUMNS = ("id", "kind", "note", "use_case", "created_at", "expires_at")


def desk_of_visitor() -> KeyDesk:
    """Return the desk of the gateway, for the visitor; ends the page until it is known who that is.

    On a laptop it is the owner. At a gateway for many, and where a proxy names visitors, each shows their own token.
    """
    mounted = mounted_environment()
    own = running_gateway(mounted.home)
    if own is not None and acts_as_owner():
        return KeyDesk(own.url, own.owner_token)
    url = own.url if own is not None else mounted.gateway_url
    if url is None:
        st.info("No gateway is running.", icon=":material/key_off:")
        st.caption("`workbench up` starts one; WORKBENCH_GATEWAY_URL names one that is elsewhere.")
        st.stop()
    token = st.text_input(
        "Your identity token", type="password", help="Of JupyterHub or your sign-in. It stays in this session."
    ).strip()
    if not token:
        st.stop()
    return KeyDesk(url, token)


st.subheader("Your gateway keys")
desk = desk_of_visitor()

with st.form("issue", clear_on_submit=True):
    note = st.text_input("What is it for?", max_chars=200, placeholder="a demo for the menu team")
    days = st.number_input("Days", min_value=1, max_value=30, value=1)
    wished = st.form_submit_button("Issue a key", type="primary", icon=":material/key:")
if wished:
    with told():
        issued = desk.issue(note=note, expires_in=int(days) * DAY, lease=None, timeout=TIMEOUT)
    st.success(f"Copy it now: it is shown this once. {issued.id}, until {issued.expires_at}.")
    st.code(issued.key, language=None)

with told():
    live = desk.live_keys(timeout=TIMEOUT)
if not live:
    st.info("You have no live key.", icon=":material/key_off:")
    st.stop()
st.dataframe([{name: key.get(name) for name in COLUMNS} for key in live], hide_index=True)
left, right = st.columns([3, 1], vertical_alignment="bottom")
with left:
    notes = {key["id"]: key["note"] for key in live}
    chosen = st.selectbox("End a key", list(notes), format_func=lambda each: f"{each}  {notes[each]}")
with right:
    if st.button("Revoke", icon=":material/delete:"):
        with told():
            desk.revoke(chosen, timeout=TIMEOUT)
        st.rerun()
