from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from workbench.cli import main
from workbench.services.record import remove_up_record, write_up_record


def test_a_home_where_nothing_runs_is_told_as_such(home: Path) -> None:
    told = CliRunner().invoke(main, ["status"])
    assert told.exit_code == 0
    assert "does not run" in told.output
    body = json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)
    assert (body["home"], body["gateway"], body["users"], body["up"]) == (str(home), None, [], None)
    assert list(home.iterdir()) == []


def test_what_up_runs_is_told_until_it_ends(home: Path) -> None:
    write_up_record(home, {"mlflow": "http://127.0.0.1:5000"})
    assert (home / "up.json").stat().st_mode & 0o777 == 0o600
    told = json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)
    assert told["up"]["services"] == {"mlflow": "http://127.0.0.1:5000"}
    remove_up_record(home)
    assert json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)["up"] is None


def test_a_record_of_a_process_that_is_gone_is_not_believed(home: Path) -> None:
    record = {"pid": 1, "started": 0.0, "services": {}}
    (home / "up.json").write_text(json.dumps(record))
    assert json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)["up"] is None


def test_a_token_is_shown_only_to_who_asks_for_it(home: Path) -> None:
    url = "http://127.0.0.1:8888/lab?token=s3cret"
    write_up_record(home, {"jupyterlab": url})

    def told(*options: str) -> str:
        return CliRunner().invoke(main, ["status", *options]).stdout

    assert "s3cret" not in told() + told("--json")
    assert "jupyterlab: http://127.0.0.1:8888/lab?token=...\n" in told()
    assert "--show-tokens" in told()
    assert f"jupyterlab: {url}\n" in told("--show-tokens")
    assert json.loads(told("--json", "--show-tokens"))["up"]["services"] == {"jupyterlab": url}
