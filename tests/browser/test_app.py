"""A colleague's journey through the app: vote blind, rate, see the figures, promote. MLflow and gateway have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from workbench import experiments, feedback, prompts, tracking
from workbench.client import Gateway
from workbench.evidence import Dataset, exact_match
from workbench.services import EmbeddedGateway, Process
from workbench.services.programs import streamlit_app
from workbench.settings import load_settings
from workbench.testing.servers import free_port
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import simulated_providers

pytestmark = pytest.mark.browser

SECONDS = 1000.0  # of playwright's milliseconds
COLOURS = ["amber", "blue", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade", "khaki", "lime"]


@dataclass(frozen=True)
class App:
    url: str
    experiment: experiments.Experiment


@pytest.fixture
def app(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The app on a home with one experiment: a prompt that is right on all examples against one that never is."""
    with simulated_providers() as providers:
        monkeypatch.setenv(KEY_VARIABLE, providers.credential)
        config = home / "workbench.toml"
        config.write_text(simulated_config(providers))
        settings = load_settings(config)
        gateway = EmbeddedGateway(home, config, restart=False)
        try:
            gateway.attach()
            wrong = prompts.register("colour", "Tell me of {{colour}}.", message="wrong")
            right = prompts.register("colour", "{{colour}}", message="right")
            rows = [{"id": c, "inputs": {"colour": c}, "expected": f"echo: {c}"} for c in COLOURS]
            with Gateway() as client:
                done = experiments.run(
                    "colours",
                    [
                        experiments.Candidate("wordy", prompt=wrong, model="chatty"),
                        experiments.Candidate("plain", prompt=right, model="chatty"),
                    ],
                    Dataset.from_rows(rows, name="colours"),
                    [exact_match()],
                    gateway=client,
                    progress=False,
                )
            with Process(streamlit_app(settings, port=free_port()), home=home) as process:
                process.wait_ready(60)
                yield App(process.program.url, done)
        finally:
            gateway.close()


def test_a_colleague_votes_blind_and_the_votes_are_in_mlflow(app: App, page: Page) -> None:
    page.goto(app.url)
    expect(page.get_by_text("Which answer is better?")).to_be_visible(timeout=60 * SECONDS)
    expect(page.get_by_text("0 of 12 pairs voted")).to_be_visible()
    shown = page.locator("section.stMain, [data-testid=stMain]").inner_text()
    assert "wordy" not in shown, "the page tells which candidate is shown"
    answers = page.get_by_text(re.compile("^echo: "))
    colours: list[str] = []
    for voted in range(1, len(COLOURS) + 1):
        expect(answers).to_have_count(2, timeout=30 * SECONDS)
        # The page of the pair that was voted on leaves it piece by piece; a button of it votes for nothing.
        if colours:
            expect(answers.filter(has_text=colours[-1])).to_have_count(0, timeout=30 * SECONDS)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        colours.append(min(answers.all_inner_texts(), key=len).removeprefix("echo: "))
        right = 1 if "Tell me" in answers.nth(0).inner_text() else 0
        page.get_by_role("button", name=("Left", "Right")[right] + " is better").click()
        told = f"{voted} of 12 pairs voted"
        expect(page.get_by_text(told)).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_text("You have voted on every pair")).to_be_visible(timeout=30 * SECONDS)
    assert sorted(colours) == COLOURS
    runs = app.experiment.run_ids
    tally = feedback.tally(runs["plain"], runs["wordy"])
    assert (tally.wins_a, tally.wins_b, tally.n) == (12, 0, 12)
    assert 0 < tally.left_wins < 12, "one side was always the same candidate"


def test_a_rating_is_written_under_the_visitors_name(app: App, page: Page) -> None:
    page.goto(f"{app.url}/rate")
    expect(page.get_by_text("24 answer(s) left to rate")).to_be_visible(timeout=60 * SECONDS)
    name = page.get_by_role("textbox", name="Your name")
    name.fill("ana")
    name.press("Enter")
    page.get_by_text("Rate and go on").click()
    expect(page.get_by_text("Choose one to five stars first.")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_test_id("stFeedbackButton").nth(3).click()
    page.get_by_role("textbox", name="Why? (optional)").fill("short & <b>clear</b>")
    page.get_by_text("Rate and go on").click()
    expect(page.get_by_text("23 answer(s) left to rate")).to_be_visible(timeout=30 * SECONDS)
    found = [feedback.ratings(run_id) for run_id in app.experiment.run_ids.values()]
    human = [row for frame in found for row in frame.to_dict("records") if row["source"] == "HUMAN"]
    assert [(row["name"], row["value"], row["source_id"], row["rationale"]) for row in human] == [
        ("stars", 4, "ana", "short & <b>clear</b>")
    ]


def test_a_promotion_goes_through_the_gate_to_the_gateway(app: App, page: Page) -> None:
    page.goto(f"{app.url}/promote")
    expect(page.get_by_text("Nothing yet.")).to_be_visible(timeout=60 * SECONDS)
    why = page.get_by_role("textbox", name="Why?")
    why.fill("it answers with the colour alone")
    why.press("Enter")
    page.get_by_role("button", name="Promote", exact=True).click()
    expect(page.get_by_text("colour@production is v2")).to_be_visible(timeout=60 * SECONDS)
    with Gateway() as gateway:
        live = gateway.published("colour")
    assert live.version == 2
    assert tracking.connect().aliases("colour") == {"production": 2}


def test_the_results_page_shows_the_figures_of_both_candidates(app: App, page: Page) -> None:
    page.goto(f"{app.url}/results")
    expect(page.get_by_text("Each candidate against the first")).to_be_visible(timeout=60 * SECONDS)
    expect(page.get_by_test_id("stDataFrame")).to_have_count(3)  # candidates, comparison, every answer
    expect(page.locator("[data-testid=stImage] img, [data-testid=stImageContainer] img")).to_have_count(1)
    expect(page.get_by_text("Traceback")).to_have_count(0)
