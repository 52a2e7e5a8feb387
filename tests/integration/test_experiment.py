"""An experiment from the prompt to MLflow and back, through a real gateway; what stops it, and what a stop costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from workbench import experiments, prompts
from workbench.client import Gateway
from workbench.errors import GatewayUnreachable, NotFound
from workbench.evidence import Dataset, embedding_similarity, exact_match
from workbench.experiments import Candidate
from workbench.experiments.results.experiment import MIME
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.tracking.tracker import Tracker

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("experiment") / "home"
    with simulated_gateway(home, providers) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _well(providers: SimulatedProviders, home: Path) -> Iterator[None]:
    yield
    providers.clear()


@pytest.fixture
def gateway(running: RunningGateway) -> Iterator[Gateway]:
    with Gateway(url=running.url, key=running.issue_key(), max_retries=0) as client:
        yield client


def questions(count: int) -> Dataset:
    rows = [
        {"id": f"q{i}", "inputs": {"q": f"what is {i}?"}, "expected": f"echo: say what is {i}?"} for i in range(count)
    ]
    return Dataset.from_rows(rows, name="questions")


def test_an_experiment_goes_to_mlflow_and_comes_back(
    gateway: Gateway, providers: SimulatedProviders, tracker: Tracker
) -> None:
    parrot = prompts.register("trip.parrot", "say {{q}}", parameters={"model": "chatty"}, tracker=tracker)
    mute = prompts.register("trip.mute", "hm", parameters={"model": "chatty", "temperature": 0}, tracker=tracker)
    providers.fail("status", status=400, message="too hot")
    result = experiments.run(
        "trip",
        [Candidate("parrot", prompt=parrot), Candidate("mute", prompt=mute)],
        questions(12),
        [exact_match(), embedding_similarity(model="vectors")],
        gateway=gateway,
        tracker=tracker,
        concurrency=1,
        progress=False,
    )
    table = result.table()
    assert table["n"].tolist() == [11, 12]
    assert table["failed"].tolist() == [1, 0]
    assert table["score.exact_match"].tolist() == [1, 0]
    assert table.loc["parrot", "score.embedding_similarity"] == pytest.approx(1)
    assert table.loc["mute", "score.embedding_similarity.n"] == 12
    assert result.compare(baseline="mute").loc["parrot", "verdict"] == "better"
    assert "too hot" in result.cells["error"].iloc[0]

    chats = [row for row in gateway.calls() if row["model"] == "chatty" and row["outcome"] == "ok"]
    costs = {row["request_id"]: row["cost_usd"] for row in chats}
    good = result.cells[result.cells["error"].isna()]
    assert dict(zip(good["request_id"], good["cost_usd"], strict=True)) == pytest.approx(costs)
    assert [row["tags"]["candidate"] for row in chats].count("parrot") == 11
    assert chats[-1]["tags"]["experiment"] == result.experiment_id

    run = tracker.run(result.run_ids["parrot"])
    assert run.status == "FINISHED"
    wanted = {
        "workbench.candidate": "parrot",
        "workbench.prompt": "trip.parrot",
        "workbench.prompt_version": "1",
        "workbench.model": "chatty",
        "workbench.dataset_hash": questions(12).hash,
        "workbench.experiment_id": result.experiment_id,
    }
    assert wanted.items() <= run.tags.items()
    assert (run.metrics["score.exact_match"], run.metrics["failed"]) == (1, 1)
    assert {"cells.json", "scores.png"} <= set(tracker.artifacts(run.run_id))

    traces = {trace.trace_id: trace for trace in tracker.traces(run.run_id)}
    cells = tracker.table(run.run_id)
    assert list(cells["trace_id"]) == list(result.cells["trace_id"][:12])
    assert set(cells["trace_id"]) == set(traces)
    failed, answered = (traces[trace_id] for trace_id in cells["trace_id"][:2])
    assert (failed.status, failed.text) == ("ERROR", None)
    assert (answered.inputs, answered.text) == ({"q": "what is 1?"}, "echo: say what is 1?")
    assert (answered.prompt, answered.request_id) == (("trip.parrot", 1), cells["request_id"][1])
    said = tracker.ratings([answered.trace_id])
    assert set(zip(said["name"], said["source"], strict=True)) == {
        ("exact_match", "CODE"),
        ("embedding_similarity", "CODE"),
    }

    read = experiments.load(result.experiment_id, tracker=tracker)
    pd.testing.assert_frame_equal(read.cells, result.cells)
    assert read == result
    assert repr(read) == repr(result)
    listed = next(each for each in experiments.recent(tracker=tracker) if each.name == "trip")
    assert (listed.experiment_id, listed.runs) == (result.experiment_id, result.run_ids)


def test_images_come_back_as_they_were(tracker: Tracker) -> None:
    two = experiments.Output(images=(PNG, PNG + b"2"))
    result = experiments.run(
        "pictures",
        [Candidate("one", call=lambda inputs: PNG), Candidate("two", call=lambda inputs: two)],
        questions(2),
        tracker=tracker,
        progress=False,
    )
    read = experiments.load(result.experiment_id, tracker=tracker)
    assert read.cells["output"].tolist() == [PNG] * 4
    assert read.cells["images"].tolist() == [[PNG]] * 2 + [[PNG, PNG + b"2"]] * 2
    trace = tracker.traces(result.run_ids["two"])[0]
    assert [tracker.image(reference) for reference in trace.images] == [PNG, PNG + b"2"]


def test_an_id_that_mlflow_does_not_know_is_not_found(tracker: Tracker) -> None:
    with pytest.raises(NotFound, match="exp-nothing"):
        experiments.load("exp-nothing", tracker=tracker)


def test_a_gateway_that_is_killed_ends_the_run_and_the_next_one_goes_on(
    providers: SimulatedProviders, tmp_path: Path
) -> None:

    def trial(running: RunningGateway, *, fatal_call: int = 0) -> experiments.Experiment:
        with Gateway(url=running.url, key=running.issue_key(), max_retries=0) as gateway:
            asked = 0

            class Killing:
                embed = gateway.embed

                def chat(self, *arguments: object, **options: object) -> object:
                    nonlocal asked
                    asked += 1
                    if asked == fatal_call:
                        running.process.kill()
                        running.process.wait()
                    return gateway.chat(*arguments, **options)  # type: ignore[arg-type]

            plain = Candidate("plain", prompt="say {{q}}", model="chatty")
            options = {"gateway": Killing(), "track": False, "progress": False, "concurrency": 1}
            return experiments.run("killed", [plain], questions(12), **options)  # type: ignore[arg-type]

    with (
        simulated_gateway(tmp_path / "gateway", providers) as running,
        pytest.raises(GatewayUnreachable, match=r"5 of 12 cells are answered and kept: run the same again to go on"),
    ):
        trial(running, fatal_call=6)
    assert len(providers.requests) == 5
    with simulated_gateway(tmp_path / "gateway", providers) as running:
        assert trial(running).table().loc["plain", "n"] == 12
    assert len(providers.requests) == 12


SCRIPT = """
import sys
from workbench import experiments
rows = [{"id": f"q{i}", "inputs": {"q": str(i)}} for i in range(150)]
plain = experiments.Candidate("plain", prompt="say {{q}} " + sys.argv[1], model="chatty")
result = experiments.run("stopped", [plain], rows, track=False, progress=False)
print(result.table().loc["plain", "n"], result.table().loc["plain", "reused"])
"""


@pytest.mark.parametrize(("stop", "lost"), [(signal.SIGINT, 0), (signal.SIGKILL, 2)])
def test_a_process_that_is_stopped_has_paid_for_nothing_in_vain(
    running: RunningGateway, providers: SimulatedProviders, home: Path, stop: signal.Signals, lost: int
) -> None:
    environ = os.environ | {"WORKBENCH_GATEWAY_URL": running.url, "OPENAI_API_KEY": running.issue_key()}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            # No two tests ask the same: one's answer to a call that the other never sent would be found as its own.
            [sys.executable, "-c", SCRIPT, stop.name],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    first = start()
    wait_until(lambda: len(providers.requests) >= 5, "the experiment sends", seconds=60)
    first.send_signal(stop)
    _, stderr = first.communicate(timeout=60)
    assert first.returncode != 0
    if stop == signal.SIGINT:
        assert "of 150 cells are answered and kept" in stderr
    paid = len(providers.requests)
    assert paid < 150
    second = start()
    stdout, _ = second.communicate(timeout=120)
    answered, reused = map(int, stdout.split())
    assert answered == 150
    assert paid - lost <= reused <= paid
    # An answer that was on its way when the process died is found at the gateway, or asked for again.
    assert 150 <= len(providers.requests) <= 150 + paid - reused


def test_a_saved_notebook_tells_the_result_and_the_votes_without_a_kernel(home: Path) -> None:
    run = """
from workbench import experiments, evidence, widgets
rows = [{'id': f'e{i}', 'inputs': {'q': i}, 'expected': '1'} for i in range(8)]
low = experiments.Candidate('low', call=lambda inputs: '0')
high = experiments.Candidate('high', call=lambda inputs: '1')
result = experiments.run('in a notebook', [low, high], rows, [evidence.exact_match()])
"""
    blind = "blind = widgets.compare(result, rater='ana')\nblind"
    cells = [run, "result", "result.plot()", blind, "while blind.current:\n    blind.vote('tie')"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [[output.get("data", {}) for output in cell.outputs] for cell in notebook.cells]
    (result,) = shown[1]
    assert result[MIME]["comparisons"][0]["verdict"] == "better"
    assert "high against low on exact_match: better" in result["text/html"]
    assert "image/png" in shown[2][0]
    twin, view = shown[3]
    assert "high : low" not in twin["text/html"]
    assert "low : high = 0 : 0, 8 ties" in twin["text/html"]  # the last vote brought the twin up to date
    assert "application/vnd.jupyter.widget-view+json" in view
