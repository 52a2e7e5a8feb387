"""What is live, what is the evidence for another version, and the one button that moves it, through the gate."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from workbench import experiments, prompts
from workbench.errors import PromotionRefused
from workbench_app.doors import choose_experiment, told
from workbench_app.requested import show_requests
from workbench_app.visitor import acts_as_owner

RULES: list[prompts.Rule] = ["superior", "not_worse"]


@dataclass(frozen=True)
class Choice:
    """A version with the run that speaks for it."""

    candidate: str
    prompt: str
    version: int
    run_id: str

    def __str__(self) -> str:
        return f"{self.candidate}: {self.prompt} v{self.version}"


st.subheader("Promote a prompt to production")
if not acts_as_owner():
    st.info(
        "Nobody promotes here: the gateway would take it as said by the user who runs this app.",
        icon=":material/badge:",
    )
    st.caption(
        "Say it under your own name: `workbench prompts promote`, `request`, `approve`, `reject` and `publish`, "
        "with WORKBENCH_IDENTITY_TOKEN, or `wb.widgets.promote(...)` in a notebook."
    )
    st.stop()
with told():
    listed = choose_experiment()
    experiment = experiments.load(listed.experiment_id)
choices = [
    Choice(each.name, each.prompt, each.prompt_version, each.run_id)
    for each in experiment.candidates
    if each.prompt and each.prompt_version and each.run_id
]
if not choices:
    st.info("No candidate of this experiment is a registered prompt version.")
    st.caption("Register the prompt with `wb.prompts.register(...)` and run the experiment with it.")
    st.stop()

left, right = st.columns(2)
with left:
    chosen: Choice = st.selectbox("Version", choices, index=len(choices) - 1)
    others = {str(each): each.run_id for each in choices if each.run_id != chosen.run_id}
    against = st.selectbox("Compared with", ["what is live", *others], index=1 if others else 0)
    metric = st.selectbox("Score", list(experiment.scorers))
    rule = st.segmented_control("Gate", RULES, default="superior") or "superior"
    margin = st.number_input("Margin", 0.0, 1.0, 0.05) if rule == "not_worse" else None
    reason = st.text_input("Why?", placeholder="what this version does better")
    with told():
        needed = prompts.approvals_needed(chosen.prompt)
    pressed = st.button("Ask for approval" if needed else "Promote", type="primary", disabled=not reason.strip())
with right:
    st.caption("What was live, newest first")
    with told():
        records = prompts.history(chosen.prompt)
    if records.empty:
        st.text("Nothing yet.")
    else:
        st.dataframe(records[["version", "published_at", "published_by", "reason"]], hide_index=True)

if pressed:
    with told():
        try:
            done = (prompts.request if needed else prompts.promote)(
                chosen.prompt,
                chosen.version,
                evidence_run=chosen.run_id,
                against=others.get(against),
                gate=prompts.Gate(metric, rule, margin=margin),
                reason=reason,
            )
        except PromotionRefused as refusal:
            st.warning(refusal.message, icon=":material/block:")
        else:
            st.success(str(done), icon=":material/rocket_launch:")
show_requests(chosen.prompt)
with st.expander("The text of this version"):
    with told():
        prompt = prompts.load(f"{chosen.prompt}@{chosen.version}")
    st.json({"template": prompt.template, "parameters": dict(prompt.parameters)})
