"""One answer at a time, rated with stars and a word; the candidate is not told."""

from __future__ import annotations

import streamlit as st

from workbench import feedback
from workbench_app.doors import choose_experiment, told
from workbench_app.showing import show_answer, show_inputs
from workbench_app.visitor import visitor

RATING = "stars"

with told():
    experiment = choose_experiment()
    # Candidates take turns, so that no rater sees one candidate's answers in a row.
    queues = [feedback.queue(run_id, visitor(), name=RATING) for run_id in experiment.runs.values()]
left = sum(len(queue) for queue in queues)

st.subheader("How good is this answer?")
if not left:
    st.success("You have rated every answer of this experiment. Thank you.", icon=":material/check_circle:")
    st.stop()
st.caption(f"{left} answer(s) left to rate")
answer = max(queues, key=len)[0]
show_inputs(answer)
with st.container(border=True):
    show_answer(answer)
with st.form(f"rating-{answer.trace_id}", border=False):
    stars = st.feedback("stars", key=f"stars-{answer.trace_id}")
    comment = st.text_input("Why? (optional)", key=f"why-{answer.trace_id}")
    sent = st.form_submit_button("Rate and go on", type="primary")
if sent and stars is None:
    st.warning("Choose one to five stars first.")
elif sent and stars is not None:
    with told():
        feedback.rate(answer.trace_id, stars + 1, rater=visitor(), name=RATING, comment=comment.strip() or None)
    st.rerun()
