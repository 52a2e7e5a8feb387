"""The open requests for a prompt, and what a reviewer may do about them: the gateway says who is one."""

from __future__ import annotations

import streamlit as st

from workbench import prompts
from workbench_app.doors import told

_OPEN = ("asked", "passed", "refused", "approved")


def show_requests(name: str) -> None:
    """Show what was asked for, what the gate said of it, and the buttons of what can be done now."""
    with told():
        found = [each for each in prompts.requests(name) if each.state in _OPEN]
    if not found:
        return
    st.subheader("Asked for")
    for each in found:
        _show(each)


def _show(asked: prompts.PromotionRequest) -> None:
    with st.container(border=True):
        st.text(str(asked))
        st.caption(f"{asked.asked_by}, {asked.asked_at}")
        st.text(asked.reason)
        if asked.other_gates:
            st.warning("The rules were changed since this version was first asked for.", icon=":material/rule:")
        with st.expander("The gate, and what happened"):
            st.text(str(asked.gates))
            st.dataframe(list(asked.events), hide_index=True)
        why = st.text_input("What do you say?", key=f"why-{asked.id}")
        approve, reject, withdraw, publish = st.columns(4)
        ready = asked.state in ("passed", "approved") and not asked.stale
        missing = asked.approvals_needed > len(set(asked.approved_by))
        with told():
            if approve.button("Approve", key=f"approve-{asked.id}", disabled=not (ready and missing)):
                prompts.approve(asked.id, why=why)
                st.rerun()
            if reject.button("Reject", key=f"reject-{asked.id}", disabled=not why.strip()):
                prompts.reject(asked.id, why)
                st.rerun()
            if withdraw.button("Withdraw", key=f"withdraw-{asked.id}", help="For who asked."):
                prompts.withdraw(asked.id, why)
                st.rerun()
            if publish.button("Publish", key=f"publish-{asked.id}", disabled=missing or not ready):
                st.success(str(prompts.publish(asked.id)), icon=":material/rocket_launch:")
