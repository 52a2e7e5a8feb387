"""Whom people prefer: strengths with intervals, what they rest on, and no winner where the intervals overlap."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.feedback.vote import PREFERENCE
from workbench_app.doors import choose_experiment, told


def queues_about(runs: list[str]) -> list[feedback.ReviewQueue]:
    """Return the review queues that ask about two of these runs, newest first."""
    return [each for each in feedback.queues() if len(set(runs).intersection(each.run_ids)) > 1]


with told():
    listed = choose_experiment(candidates=2)
    runs = list(listed.runs.values())
    asked = queues_about(runs)
st.subheader("Whom do people prefer?")
questions = {PREFERENCE: feedback.QUESTION} | {each.name: each.question for each in asked}
name = PREFERENCE
if len(questions) > 1:
    name = st.selectbox("Question", list(questions), format_func=lambda each: f"{questions[each]} ({each})")
try:
    with st.spinner("Counting the votes"):
        board = feedback.leaderboard(runs, name=name)
except InvalidInput as nothing:
    st.info(nothing.message, icon=":material/how_to_vote:")
else:
    if board.winner is None:
        st.warning(board.verdict, icon=":material/balance:")
    else:
        st.success(board.verdict, icon=":material/trophy:")
    st.dataframe(board.table(), hide_index=True)
    for note in board.notes():
        st.text(note)
    try:
        st.text(f"Agreement of raters: {feedback.agreement(runs, name=name)}")
    except InvalidInput as too_few:
        st.text(f"Agreement of raters: {too_few.message}")

with st.form("share", border=True):
    st.caption("Ask colleagues: a link opens on the first pair, blind")
    left, middle = st.columns(2)
    raters = left.number_input("People for each pair", min_value=1, max_value=50, value=3)
    days = middle.number_input("Days", min_value=1, max_value=365, value=7)
    question = left.text_input("Question", value=feedback.QUESTION)
    named = middle.text_input("Name", value=PREFERENCE, help="Another question about the same runs needs another name.")
    wished = st.form_submit_button("Make a link", icon=":material/link:")
if wished:
    with told():
        shared = feedback.share(
            runs, raters=int(raters), expires=timedelta(days=int(days)), question=question, name=named.strip()
        )
    st.code(shared.url, language=None)
    st.caption(str(shared).splitlines()[-1])

if links := [each for each in queues_about(runs) if not each.ended]:
    with st.expander("Open links"):
        for each in links:
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.text(f"{each.question} By {each.created_by}, {each.created_at[:16].replace('T', ' ')} UTC")
            if right.button("Close", key=each.queue_id, help="Ends the link; the votes that were given stay."):
                with told():
                    feedback.close_queue(each.queue_id)
                st.cache_resource.clear()  # pages that are open see it at once
                st.rerun()
