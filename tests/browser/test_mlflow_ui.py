"""MLflow's own pages show an experiment: runs that a search finds, prompts, data, traces with cost and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from workbench import experiments, prompts, tracking
from workbench.client import Gateway
from workbench.evidence import Dataset, exact_match
from workbench.services import Process
from workbench.services.ports import free_port
from workbench.services.programs import mlflow_ui
from workbench.settings import load_settings
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE = 60_000.0  # milliseconds: two cores may be shared by many


@dataclass(frozen=True)
class Shown:
    url: str
    """The page of the experiment."""
    result: experiments.Experiment


@pytest.fixture
def shown(home: Path, tmp_path: Path) -> Iterator[Shown]:
    """A tracking server on a home with one experiment: two versions of a prompt, asked through a gateway."""
    tracker = tracking.connect()
    wordy = prompts.register("parrot", "say {{q}}", parameters={"model": "chatty"}, tracker=tracker)
    terse = prompts.register("parrot", "{{q}}", parameters={"model": "chatty"}, tracker=tracker)
    rows = [{"id": f"q{i}", "inputs": {"q": f"word {i}"}, "expected": f"echo: word {i}"} for i in range(3)]
    with (
        simulated_providers() as providers,
        simulated_gateway(tmp_path / "gateway", providers) as running,
        Gateway(url=running.url, key=running.issue_key(), max_retries=0) as gateway,
    ):
        result = experiments.run(
            "parrots",
            [experiments.Candidate("wordy", prompt=wordy), experiments.Candidate("terse", prompt=terse)],
            Dataset.from_rows(rows, name="words"),
            [exact_match()],
            gateway=gateway,
            tracker=tracker,
            progress=False,
        )
    experiment_id = tracker.experiments().set_index("name").loc["parrots", "experiment_id"]
    settings = load_settings(credentials=False)
    with Process(mlflow_ui(settings, port=free_port()), home=home) as process:
        process.wait_ready(120)
        yield Shown(f"{process.program.url}/#/experiments/{experiment_id}", result)


def test_runs_prompts_data_and_traces_with_cost_and_scores_are_seen(shown: Shown, page: Page) -> None:
    page.set_default_timeout(PATIENCE)
    page.set_viewport_size({"width": 1600, "height": 900})  # on a narrow page MLflow leaves out buttons
    expect.set_options(timeout=PATIENCE)
    try:
        runs_are_found_by_params_metrics_and_tags(shown, page)
        a_run_names_its_prompt_its_data_and_its_figures(shown, page)
        traces_tell_cost_tokens_and_scores(shown, page)
    finally:
        expect.set_options(timeout=5_000)


def runs_are_found_by_params_metrics_and_tags(shown: Shown, page: Page) -> None:
    page.goto(f"{shown.url}/runs")
    expect(page.get_by_text("2 matching runs")).to_be_visible()
    box = page.get_by_test_id("search-box")
    for query, found in (
        ('params.prompt = "parrot v2"', "terse"),
        ("metrics.`score.exact_match` < 0.5", "wordy"),
        ('tags.`workbench.candidate` = "terse"', "terse"),
    ):
        box.fill(query)
        box.press("Enter")
        expect(page.get_by_role("link", name=found, exact=True)).to_be_visible()
        expect(page.get_by_text("1 matching run", exact=True)).to_be_visible()
    expect(page.get_by_text("words (")).to_be_visible()


def a_run_names_its_prompt_its_data_and_its_figures(shown: Shown, page: Page) -> None:
    page.goto(f"{shown.url}/runs/{shown.result.run_ids['terse']}")
    expect(page.get_by_text("parrot (v2)")).to_be_visible()
    expect(page.get_by_text(f"words ({shown.result.dataset_hash[:12]}")).to_be_visible()
    for figure in ("score.exact_match", "score.exact_match.low", "cost_usd_a_call", "latency_ms_p95"):
        expect(page.get_by_text(figure, exact=True).first).to_be_visible()


def traces_tell_cost_tokens_and_scores(shown: Shown, page: Page) -> None:
    page.goto(f"{shown.url}/traces")
    expect(page.get_by_text("6 of 6")).to_be_visible()
    page.get_by_role("button", name="Got it").click()  # of a hint to newcomers, which hides the rest
    page.get_by_role("button", name="Display").click()
    page.get_by_text("Columns", exact=True).last.click()
    page.get_by_role("menuitemcheckbox", name="Cost", exact=True).click()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    table = page.get_by_role("table")
    for heading in ("Cost", "Tokens", "exact_match"):
        expect(table.get_by_text(heading, exact=True)).to_be_visible()
    cells = shown.result.cells
    cost = f"${cells[cells['candidate'] == 'terse']['cost_usd'].iloc[0]:.6f}"
    expect(table.get_by_text(cost, exact=True)).to_have_count(3)
    table.get_by_text("echo: word 1", exact=True).click()
    expect(page.get_by_text("1 linked prompt")).to_be_visible()
