from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.cli.checks import all_checks, tracking_store
from workbench.settings import load_settings


@pytest.fixture
def doctor(home: Path):
    def run():
        result = CliRunner().invoke(main, ["doctor", "--no-start", "--json"])
        body = json.loads(result.stdout)
        assert body["ok"] is (result.exit_code == 0)
        return {finding["what"]: finding for finding in body["findings"]}

    return run


def test_weights_that_are_missing_are_told_with_the_command_that_gets_them(doctor):
    finding = doctor()["model smollm2-135m"]
    assert not finding["ok"]
    assert not finding["needed"], "the demo gets them by itself"
    assert finding["mend"] == "workbench models pull smollm2-135m"


def test_what_is_well_is_told_as_well(doctor, home):
    findings = doctor()
    assert all(findings[name]["ok"] for name in ("python", "home", "disk space", "configuration", "mlflow store"))
    assert findings["home"]["found"] == str(home)


def test_a_wrong_configuration_is_told_in_full(doctor):
    Path("workbench.toml").write_text("colour = 1\nsize = 2\n")
    finding = doctor()["configuration"]
    assert not finding["ok"]
    assert "colour" in finding["found"]
    assert "size" in finding["found"]


def test_a_home_that_can_not_be_written_is_told(doctor, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("WORKBENCH_HOME", str(blocked / "home"))
    finding = doctor()["home"]
    assert not finding["ok"]
    assert "WORKBENCH_HOME" in finding["mend"]


def test_the_exit_code_is_for_a_pipeline(home):
    well = CliRunner().invoke(main, ["doctor", "--no-start"])
    assert well.exit_code == 0, well.output
    assert "try: workbench models pull smollm2-135m" in well.output
    Path("workbench.toml").write_text("colour = 1\n")
    told = CliRunner().invoke(main, ["doctor", "--no-start"])
    assert told.exit_code == 1
    assert "MISSING  configuration" in told.output


@pytest.mark.parametrize(("version", "ok"), [("from-the-future", False), (None, False)])
def test_a_store_that_mlflow_can_not_read_is_told(version, ok, home):
    database = sqlite3.connect(home / "mlflow.db")
    if version:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES (?)", (version,))
        database.commit()
    database.close()
    finding = tracking_store(load_settings(home=home))
    assert (finding.ok, bool(finding.mend)) == (ok, True)


def test_looking_loads_nothing_heavy_and_makes_nothing(home):
    script = (
        "import sys, json; from workbench.cli.checks import all_checks; list(all_checks(None, start=False)); "
        "print(json.dumps([m for m in ('torch', 'mlflow', 'openai', 'litellm', 'streamlit') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == []
    assert list(home.iterdir()) == []


def test_every_finding_that_is_not_well_can_be_mended(home):
    assert [f for f in all_checks(None, start=False) if f.needed and not f.ok and not f.mend] == []


def test_what_jupyter_needs_is_told_and_how_to_mend_it(doctor, tmp_path, monkeypatch):
    names = ("jupyter extension", "jupyter kernels' keys", "jupyter launcher tiles")
    findings = doctor()
    assert all(findings[name]["ok"] for name in names), findings
    folder = tmp_path / "config" / "jupyter_server_config.d"
    folder.mkdir(parents=True)
    disabled = {"workbench_jupyter": False, "jupyter_server_proxy": False}
    (folder / "zz.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": disabled}}))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "far-away")
    findings = doctor()
    assert findings["jupyter extension"]["mend"] == "jupyter server extension enable workbench_jupyter"
    assert findings["jupyter launcher tiles"]["mend"] == "jupyter server extension enable jupyter_server_proxy"
    assert "far-away" in findings["jupyter kernels' keys"]["found"]
    assert not any(findings[name]["ok"] for name in names)


def test_a_jupyterlab_without_the_panel_is_told(doctor, tmp_path, monkeypatch):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path / "labextensions")])
    assert "Node.js" in doctor()["jupyterlab panel"]["mend"]
    panel = tmp_path / "labextensions" / "genai-workbench-panel"
    panel.mkdir(parents=True)
    (panel / "package.json").write_text("{}")
    assert doctor()["jupyterlab panel"]["ok"]
