"""Widgets at a real gateway: a promotion with its gate and its reason, and the panel of an account."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import ipywidgets
import pytest

from workbench import experiments, prompts, widgets
from workbench.client import Gateway
from workbench.client.key_desk import KeyDesk
from workbench.errors import InvalidInput
from workbench.evidence import Dataset, exact_match
from workbench.settings import Settings
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers
from workbench.tracking.tracker import Tracker
from workbench.widgets.exhibit import Exhibit

COLOURS = ["amber", "blue", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade", "khaki", "lime"]
numbers = count()


@pytest.fixture(scope="module")
def running(tracking_settings: Settings, tracker: Tracker) -> Iterator[RunningGateway]:
    with simulated_providers() as providers, simulated_gateway(tracking_settings.home, providers) as found:
        yield found


@pytest.fixture
def gateway(running: RunningGateway, tracking_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=running.issue_key()) as found:
        yield found


@pytest.fixture
def experiment(gateway: Gateway, tracker: Tracker) -> experiments.Experiment:
    """A prompt of two versions: the first is never right, the second always."""
    name = f"colour-{os.getpid()}-{next(numbers)}"
    wrong = prompts.register(name, "Tell me of {{colour}}, <b>please</b>.", tracker=tracker)
    right = prompts.register(name, "{{colour}}", tracker=tracker)
    rows = [{"id": c, "inputs": {"colour": c}, "expected": f"echo: {c}"} for c in COLOURS]
    return experiments.run(
        name,
        [
            experiments.Candidate("wordy", prompt=wrong, model="chatty"),
            experiments.Candidate("plain", prompt=right, model="chatty"),
        ],
        Dataset.from_rows(rows, name="colours"),
        [exact_match()],
        gateway=gateway,
        tracker=tracker,
        progress=False,
    )


def opened(exhibit: Exhibit) -> ipywidgets.Widget:
    """The model of the live view of a widget."""
    view = exhibit._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
    return ipywidgets.widgets.widget._instances[view["model_id"]]


def press(model: ipywidgets.Widget, verb: str, **fields: str) -> None:
    """Tell what a browser tells when a button is pressed."""
    said = {"method": "custom", "content": {"verb": verb, "turn": model.turn, "fields": fields}}
    model._handle_msg({"content": {"data": said}, "buffers": []})


def test_a_promotion_asks_for_a_reason_and_then_takes_one_press(
    experiment: experiments.Experiment, gateway: Gateway, tracker: Tracker
) -> None:
    name = experiment.name
    form = widgets.promote(
        f"{name}@2", evidence=experiment, gate="exact_match", against="wordy", gateway=gateway, tracker=tracker
    )
    page = opened(form)
    assert "The gate lets it pass." in page.body
    assert "better: difference +1.00" in page.body
    before = page.body
    press(page, "promote", reason="  ")
    assert "A promotion needs a reason." in page.status
    assert page.body == before  # what was typed is still there
    assert form.promotion is None
    press(page, "promote", reason="it says <b>only</b> the colour")
    assert gateway.published(name).version == 2
    assert 'data-do="' not in page.body
    for shown in (page.body, form._repr_html_()):
        assert "Done." in shown
        assert "it says &lt;b&gt;only&lt;/b&gt; the colour" in shown
    assert repr(form).startswith(f"Promoted: {name}@production is v2")
    # The next version is shown against what is live now.
    later = widgets.promote(
        f"{name}@1", evidence=experiment.experiment_id, gate="exact_match", gateway=gateway, tracker=tracker
    )
    shown = later._repr_html_()
    assert "The gate refuses it." in shown
    assert "Live before: v2" in shown
    assert "<ins" in shown
    assert "&lt;b&gt;please" in shown
    assert 'data-do="promote"' not in opened(later).body


def test_a_version_that_the_gate_refuses_can_not_be_pressed_through(
    experiment: experiments.Experiment, gateway: Gateway, tracker: Tracker
) -> None:
    form = widgets.promote(
        f"{experiment.name}@1",
        evidence=[experiment.run_ids["wordy"]],
        gate=prompts.Gate("exact_match"),
        against=experiment.run_ids["plain"],
        gateway=gateway,
        tracker=tracker,
    )
    page = opened(form)
    assert "The gate refuses it." in page.body
    assert "worse: difference -1.00" in page.body
    press(page, "promote", reason="I want it")
    assert "was not promoted" in page.status
    assert gateway.live_prompts() == [row for row in gateway.live_prompts() if row["name"] != experiment.name]


def test_what_the_gate_can_not_be_asked_is_told_in_the_widget(
    experiment: experiments.Experiment, gateway: Gateway, tracker: Tracker
) -> None:
    spec = f"{experiment.name}@2"
    form = widgets.promote(spec, evidence=experiment, gate="exact_match", gateway=gateway, tracker=tracker)
    assert "there is nothing to compare with" in form._repr_html_()
    page = opened(form)
    press(page, "again")
    assert "there is nothing to compare with" in page.body
    with pytest.raises(InvalidInput, match="No candidate of"):
        widgets.promote(
            prompts.register(experiment.name, "third", tracker=tracker),
            evidence=experiment,
            gate="exact_match",
            gateway=gateway,
            tracker=tracker,
        )


def test_the_panel_tells_the_account_and_what_a_call_cost_and_never_the_key(running: RunningGateway) -> None:
    wish = {"kind": "exploration", "owner": "ana", "expires_in": 3600, "budget": {"usd_per_day": 5}}
    issued = KeyDesk(running.url, running.owner_token).issue_any(wish, timeout=10)
    with Gateway(url=running.url, key=issued.key) as gateway:
        panel = widgets.panel(gateway)
        panel.refresh(wait=30)
        page = opened(panel)
        assert "No call yet." in page.body
        answer = gateway.chat("Say hello", model="chatty")
        press(page, "refresh")
        panel.refresh(wait=30)  # waits for the reading that is under way
    assert answer.cost_usd
    cost = f"${answer.cost_usd:.6f}".rstrip("0")
    for shown in (page.body, panel._repr_html_()):
        for words in ("ana, exploration key", "in 59 min", "left: usd", cost, "chatty", "$1.00", "$2.00"):
            assert words in shown
    assert repr(panel).startswith("ana, exploration key; ends ")
    everything = "".join(str(value) for value in (page.get_state(), panel._repr_mimebundle_(), panel.account))
    assert issued.key not in everything
    assert "wbx-" not in everything


def test_a_gateway_that_does_not_answer_keeps_no_cell_waiting_and_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Gateway(url=url, key="wbx-worthless", timeout=30, max_retries=0) as gateway:
            panel = widgets.panel(gateway)
            page = opened(panel)
            press(page, "refresh")
            assert "Asking the gateway" in page.body
            assert panel.account is None
            assert "has not answered yet" in panel._repr_html_()
            silent.close()  # what waits at it is cut off
            panel.refresh(wait=60)
    assert panel.account is not None
    assert "Not done." in page.body
    assert "Asking the gateway" not in page.body
    assert "wbx-worthless" not in page.body + repr(panel)
