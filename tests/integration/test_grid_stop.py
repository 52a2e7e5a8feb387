"""The button that stops an experiment in a notebook, and the loop of a notebook that runs already."""

from __future__ import annotations

from pathlib import Path

from workbench.testing.kernel import Ran, running_kernel

RUN = """
import asyncio, time, warnings
from workbench import experiments
asyncio.get_running_loop()  # a kernel's own

def slow(inputs):
    time.sleep(0.05)
    return inputs["q"]

rows = [{"id": f"e{n}", "inputs": {"q": str(n)}} for n in range(2000)]
slow = experiments.Candidate("slow", call=slow, version="1")
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    result = experiments.run("stopped", [slow], rows, track=False)
"""


def test_the_stop_button_ends_the_run_and_keeps_what_is_done(home: Path) -> None:
    with running_kernel({"WORKBENCH_HOME": str(home)}, arguments=()) as kernel:
        pressed: list[str] = []

        def press(ran: Ran) -> None:
            views = [
                output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
                for output in ran.outputs
                if "Stop" in output.get("data", {}).get("text/plain", "")
            ]
            if views and not pressed:
                pressed.extend(views)
                kernel.click(views[0])

        ran = kernel.run(RUN, while_running=press)
        assert ran.status == "ok", ran.told
        assert len(pressed) == 1
        assert "of 2000 cells are answered and kept" in kernel.run("str(told[0].message)").texts()[0]
        answered = int(kernel.run("int(result.cells['error'].isna().sum())").texts()[0])
        assert 0 < answered < 2000
        assert "not sent: stopped" in kernel.run("result.cells['error'].iloc[-1]").texts()[0]
        kept = kernel.run("experiments.preview([slow], rows).table['from_journal'].item()").texts()[0]
        assert int(kept) == answered
