"""What a link opens: one pair, or one answer, and the keys to judge it. Nothing here tells whose an answer is."""

from __future__ import annotations

import time

import streamlit as st

from workbench import feedback
from workbench.errors import WorkbenchError
from workbench.feedback import Ballot, Booth
from workbench_app.doors import tell, told
from workbench_app.showing import fit_to_screen, show_answer, show_inputs, show_question
from workbench_app.visitor import rater

WORDS = {"pairs": feedback.CHOICES, "answers": tuple((str(star), "★" * star) for star in range(1, 6))}
# A press sooner than this after a ballot appeared is the rest of the press before: nobody judges as fast.
LOOK_SECONDS = 0.4
FRESH_SECONDS = 15
SEEN, NOT_TAKEN = "ballot", "not taken"


@st.cache_resource(ttl=FRESH_SECONDS, show_spinner=False)
def _booth(token: str) -> tuple[Booth, str | None]:
    return feedback.open_link(token)


def _cast(token: str, ticket: str, word: str, who: str) -> None:
    """Take a press. It runs before the page asks what is next, which gives up a place that was held too long."""
    seen, since = st.session_state[SEEN]
    if seen != ticket or time.monotonic() - since < LOOK_SECONDS:
        return
    comment, correction = (st.session_state.get(f"{ticket}-{name}", "").strip() for name in ("why", "correction"))
    try:
        _booth(token)[0].cast(ticket, word, who, comment=comment, correction=correction)
    except WorkbenchError as error:
        st.session_state[NOT_TAKEN] = error


def _show(ballot: Ballot) -> None:
    show_inputs(ballot.answers[0])
    titles = ("Left", "Right") if len(ballot.answers) > 1 else ("Answer",)
    for column, title, answer in zip(st.columns(len(titles)), titles, ballot.answers, strict=True):
        with column, st.container(border=True, key=f"answer-{title.lower()}"):
            st.caption(title)
            show_answer(answer)


not_taken = st.session_state.pop(NOT_TAKEN, None)
token = st.query_params.get("t", "")
if not token:
    st.info("This page is opened by a link that a colleague sent you.", icon=":material/link:")
    st.stop()
with told():
    booth, link_for = _booth(token)
who = rater(link_for)
if who is None:
    st.warning("This link is for people with a name here.", icon=":material/badge:")
    st.caption("Ask who sent it for a link of your own.")
    st.stop()
with told():
    ballot = booth.next(who)
    progress = booth.progress(who)
if ballot is None:
    st.success("That was all. Thank you.", icon=":material/check_circle:")
    st.caption(f"You judged {progress.done}. What they add up to is told by who sent the link.")
    st.stop()
if st.session_state.get(SEEN, ("",))[0] != ballot.ticket:
    st.session_state[SEEN] = (ballot.ticket, time.monotonic())

fit_to_screen()
if not_taken is not None:
    tell(not_taken)
head, count = st.columns([4, 1], vertical_alignment="bottom")
with head:
    show_question(ballot.question)
count.caption(f"{progress.done} done · {progress.left} left")
_show(ballot)
words = WORDS[ballot.kind]
for number, (column, (word, label)) in enumerate(zip(st.columns(len(words)), words, strict=True), start=1):
    column.button(
        label, key=f"{ballot.ticket}-{word}", width="stretch", shortcut=str(number),
        on_click=_cast, args=(token, ballot.ticket, word, who),
    )  # fmt: skip
with st.expander("Say more (optional)"):
    st.text_input("Why?", key=f"{ballot.ticket}-why")
    if ballot.kind == "answers":
        st.text_area("What should it have said?", key=f"{ballot.ticket}-correction")
