"""`workbench demo`: a killed gateway ends it with a clear message, the next one finishes the job without a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workbench import feedback
from workbench.client import Gateway
from workbench.services import EmbeddedGateway
from workbench.testing.simulator import simulated_providers, wait_until

DEMO = [sys.executable, "-m", "workbench.cli", "demo", "--json"]


def journalled(home: Path) -> int:
    """Return how many answers the journal holds."""
    import sqlite3

    path = home / "journal" / "answers.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as journal:
        try:
            return int(journal.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:  # being made
            return 0


@pytest.mark.timeout(900)
def test_a_demo_whose_gateway_is_killed_says_so_and_the_next_one_ends_well(
    model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.Popen(DEMO, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: journalled(model_home) > 0 or killed.poll() is not None, "no answer came", seconds=240)
    assert killed.poll() is None, killed.communicate()[1]
    pid = json.loads((model_home / "gateway.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    _, told = killed.communicate(timeout=90)
    assert killed.returncode == 1, told
    assert f"The gateway (process {pid}) ended while the demo ran" in told
    assert "workbench demo" in told
    assert "Traceback" not in told
    assert time.monotonic() - began < 60
    kept = journalled(model_home)

    with simulated_providers() as providers:
        monkeypatch.setenv("OPENAI_API_KEY", providers.credential)
        added = [
            sys.executable, "-m", "workbench.cli", "config", "add", "provider", "mine", "--kind", "openai_compatible",
            "--base-url", f"{providers.url}/v1", "--credential-env", "OPENAI_API_KEY", "--model", "mine-chat=sim-chat",
        ]  # fmt: skip
        subprocess.run(added, cwd=tmp_path, check=True, capture_output=True, timeout=60)
        wait_until(lambda: not psutil.pid_exists(pid), "the killed gateway is still there", seconds=30)
        done = subprocess.run(DEMO, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        candidates = {each["name"]: each for each in report["experiment"]["candidates"]}
        asked = [seen for seen in providers.requests if seen.body.get("model") == "sim-chat"]
    assert set(candidates) == {"plain", "few-shot", "few-shot on mine-chat"}
    assert len(asked) == candidates["few-shot on mine-chat"]["n"] == 14
    assert sum(each["reused"] for each in candidates.values()) >= min(kept, 1), "finished calls were asked again"
    verdict = next(row for row in report["comparison"] if row["candidate"] == "few-shot")
    # The task was chosen so that the difference is real; it is the same at temperature 0.
    assert verdict["verdict"] == "better"
    assert report["promoted"]
    assert "30 days" in report["answer"]
    assert "[1]" in report["answer"]
    ratings = feedback.ratings(candidates["few-shot"]["run_id"])
    assert set(ratings.loc[ratings["name"] == "short_enough", "source"]) == {"CODE"}
    assert "HUMAN" not in set(ratings["source"])
    gateway = EmbeddedGateway(model_home)
    try:
        gateway.attach(port=0)
        with Gateway() as client:
            live = [record["version"] for record in client.history("support.summary")]
    finally:
        gateway.close()
    assert live == [candidates["few-shot"]["prompt_version"]]
