"""Two answers side by side, nothing told of who wrote them; one click votes and brings the next pair."""

from __future__ import annotations

import streamlit as st

from workbench import feedback
from workbench_app.doors import choose_experiment, choose_pair, told
from workbench_app.showing import show_answer, show_inputs
from workbench_app.visitor import visitor

with told():
    experiment = choose_experiment(candidates=2)
    run_a, run_b = choose_pair(experiment)
    done, total = feedback.progress(visitor(), run_a, run_b)
    pair = feedback.next_pair(visitor(), run_a, run_b)

st.subheader("Which answer is better?")
st.progress(done / total if total else 1.0, text=f"{done} of {total} pairs voted")


if pair is None:
    st.success("You have voted on every pair. Thank you.", icon=":material/check_circle:")
    with told():
        tally = feedback.tally(run_a, run_b)
    names = {run_id: name for name, run_id in experiment.runs.items()}
    left, middle, right = st.columns(3)
    left.metric(names[run_a], tally.wins_a, help="votes for it")
    middle.metric("as good / both bad", f"{tally.ties} / {tally.both_bad}")
    right.metric(names[run_b], tally.wins_b, help="votes for it")
    st.caption(f"{names[run_a]} against {names[run_b]}: {tally}. {tally.raters} rater(s).")
    st.stop()

with told():
    answers = pair.answers()
show_inputs(answers[0])
for column, title, answer in zip(st.columns(2), ("Left", "Right"), answers, strict=True):
    with column, st.container(border=True):
        st.caption(title)
        show_answer(answer)
for column, (choice, label) in zip(st.columns(len(feedback.CHOICES)), feedback.CHOICES, strict=True):
    pressed = column.button(label, key=f"{pair.pair_id}-{choice}", width="stretch")
    if pressed:
        with told():
            feedback.vote(pair, choice, visitor())
        st.rerun()
