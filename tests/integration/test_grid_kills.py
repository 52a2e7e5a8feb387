"""A grid whose runs are killed: the provider's own record tells what was paid twice, and the result what was lost."""

from __future__ import annotations

from pathlib import Path

from workbench.testing.killed_runs import prove
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers


def test_a_grid_that_is_killed_four_times_repeats_no_completed_call_and_loses_none(tmp_path: Path) -> None:
    with simulated_providers() as providers, simulated_gateway(tmp_path / "gateway", providers) as running:
        environ = {"WORKBENCH_GATEWAY_URL": running.url, "OPENAI_API_KEY": running.issue_key()}
        proof = prove(tmp_path / "home", providers, environ, cells=200, kills=4, concurrency=8)
        assert (proof.answered, proof.wrong) == (200, 0)
        assert proof.kills == 4
        assert proof.repeated == 0
        assert proof.rss_mb < 400
