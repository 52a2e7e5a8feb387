"""`workbench experiment`: a file is run through a gateway, judged by its gate, and read again, with exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from workbench.cli import main
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders

EXPERIMENT = """
name = "in ci"
[dataset]
file = "rows.jsonl"
[[candidates]]
name = "wordy"
file = "wordy.txt"
model = "chatty"
[[candidates]]
name = "plain"
file = "plain.txt"
model = "chatty"
[[scorers]]
kind = "exact_match"
[gate]
file = "gate.toml"
"""


@pytest.fixture(scope="module")
def mounted(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with simulated_gateway(tmp_path_factory.mktemp("cli") / "home", providers) as gateway:
        yield {"WORKBENCH_GATEWAY_URL": gateway.url, "OPENAI_API_KEY": gateway.issue_key()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": f"q{i}", "inputs": {"q": str(i)}, "expected": f"echo: {i}"} for i in range(12)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "plain.txt").write_text("{{q}}")
    (tmp_path / "wordy.txt").write_text("say {{q}}")
    (tmp_path / "gate.toml").write_text('[[rules]]\nmetric = "exact_match"\n')
    (tmp_path / "exp.toml").write_text(EXPERIMENT)
    return tmp_path


@pytest.fixture
def command(mounted: dict[str, str], tracking_home: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in mounted.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["experiment", *map(str, arguments)])

    return call


def test_a_file_is_run_through_its_gate_and_the_result_is_read_again(command, folder, providers):
    junit, report = folder / "out.xml", folder / "report.html"
    done = command("run", folder / "exp.toml", "--junit", junit, "--report", report, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["gate"]["candidate"], told["gate"]["passed"]) == ("plain", True)
    assert told["comparisons"][0]["verdict"] == "better"
    suites = {suite.get("name"): suite.attrib for suite in ElementTree.parse(junit).getroot()}
    assert [suites[name]["tests"] for name in ("gate", "wordy", "plain")] == ["1", "12", "12"]
    assert {suite["failures"] for suite in suites.values()} == {"0"}
    assert "better" in report.read_text()

    asked = len(providers.requests)
    (folder / "gate.toml").write_text('[[rules]]\nmetric = "exact_match"\nrule = "at_least"\nthreshold = 0.99\n')
    refused = command("run", folder / "exp.toml", "--junit", junit, "--quiet")
    assert refused.exit_code == 1, refused.output
    assert "gate on 'plain' refused: not surely at the threshold 0.99" in refused.stdout
    failure = ElementTree.parse(junit).getroot().find("testsuite/testcase/failure")
    assert failure is not None
    assert "0.99" in str(failure.get("message"))
    assert len(providers.requests) == asked, "a gate that is changed costs no call"

    listed = json.loads(command("list", "--json").stdout)
    assert told["experiment_id"] in [each["experiment_id"] for each in listed]
    shown = command("show", told["experiment_id"], "--baseline", "plain")
    assert "wordy against plain on exact_match: worse" in shown.stdout
    again = command("report", told["experiment_id"], folder / "again.html")
    assert again.exit_code == 0, again.output
    assert "say {{q}}" in (folder / "again.html").read_text(), "the prompt is read back with the run"
    planned = command("plan", "--mde", 0.5, "--pilot", told["experiment_id"], "--json")
    assert json.loads(planned.stdout)["usd"] > 0


def test_a_call_that_failed_is_a_skipped_case_and_no_refusal(command, folder, providers):
    (folder / "rows.jsonl").write_text(
        (folder / "rows.jsonl").read_text().replace('"inputs": {"q": "', '"inputs": {"q": "no ')
    )
    (folder / "exp.toml").write_text(EXPERIMENT.split("[gate]", maxsplit=1)[0])
    providers.fail("status", status=400, message="too \x07 hot")
    done = command("run", folder / "exp.toml", "--junit", folder / "out.xml", "--quiet", "--no-track")
    providers.clear()
    assert done.exit_code == 0, done.output
    root = ElementTree.parse(folder / "out.xml").getroot()
    skipped = root.findall("testsuite/testcase/skipped")
    assert len(skipped) == 1
    assert "too" in str(skipped[0].get("message"))
    assert [suite.get("name") for suite in root] == ["wordy", "plain"]


def test_a_dry_run_tells_what_it_will_cost_and_sends_nothing(command, folder, providers):
    (folder / "plain.txt").write_text("{{q}}, never asked")
    (folder / "wordy.txt").write_text("say {{q}}, never asked")
    asked = len(providers.requests)
    done = command("run", folder / "exp.toml", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["cells"] == 24
    assert told["usd"] > 0
    assert len(providers.requests) == asked


def test_a_wrong_file_ends_with_two_and_all_that_is_wrong(command, folder):
    (folder / "exp.toml").write_text(EXPERIMENT.replace("exact_match", "exact").replace("plain.txt", "gone.txt"))
    done = command("run", folder / "exp.toml")
    assert done.exit_code == 2, done.output
    assert "exp.toml: scorers[0].kind: 'exact'" in done.stderr
    assert "exp.toml: candidates[1].file: 'gone.txt'" in done.stderr


def test_a_report_that_can_not_be_written_is_told_before_anything_is_read_or_paid(tmp_path):
    (tmp_path / "file").touch()
    for option in ("--junit", "--report"):
        done = CliRunner().invoke(main, ["experiment", "run", "gone.toml", option, str(tmp_path / "file" / "out")])
        assert done.exit_code == 2, done.output
        assert "can't be written" in done.stderr
        CliRunner().invoke(main, ["experiment", "run", "gone.toml", option, str(tmp_path / "new" / "out")])
        (tmp_path / "new").rmdir()


def test_a_plan_without_a_pilot_needs_what_is_known(command):
    told = command("plan", "--mde", 0.1, "--discordant", 0.2, "--usd-per-call", 0.01)
    assert told.exit_code == 0, told.output
    assert "155 rows, 310 calls, $3.10" in told.stdout
    mixed = command("plan", "--mde", 0.1, "--discordant", 0.2, "--pilot", "exp-1")
    assert mixed.exit_code == 2
