"""An experiment's figures: one row a candidate, the paired comparison, ratings and votes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import streamlit as st

from workbench import experiments
from workbench_app.doors import choose_experiment, told

VERDICT = ["verdict", "difference", "low", "high", "p_value", "n", "excluded", "method"]

with told():
    listed = choose_experiment()
    experiment = experiments.load(listed.experiment_id)

st.subheader(experiment.name)
st.caption(
    f"{experiment.experiment_id} · {len(experiment.candidates)} candidates · data {experiment.dataset_hash[:12]}"
)
st.dataframe(experiment.table())
metrics = list(experiment.scorers)
if metrics:
    chosen = st.selectbox("Score", metrics)
    figure = experiment.plot(chosen)
    st.pyplot(figure, width="content")
    plt.close(figure)
    if len(experiment.candidates) > 1:
        st.caption("Each candidate against the first, on the examples that both answered")
        st.dataframe(experiment.compare(chosen)[VERDICT])
with st.expander("Every answer"):
    st.dataframe(experiment.cells)
