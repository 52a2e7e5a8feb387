"""`workbench up` as a user starts and ends it, and as a crash ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.services.ports import answers
from workbench.testing.simulator import wait_until

pytestmark = pytest.mark.timeout(600)
SERVICES = ("gateway", "mlflow", "app", "jupyterlab")


def command_of(process: psutil.Process) -> list[str]:
    """Return its command line; one that has ended meanwhile has none."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def family_of(home: Path) -> list[psutil.Process]:
    """Return every process that was started for a home, whoever its parent is."""
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ() if process.pid != os.getpid() else {}
            if environ.get("WORKBENCH_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


class Up:
    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self._output = home / "up.output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workbench.cli", "up", "--no-browser", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def urls(self) -> dict[str, str]:
        lines = [line.split() for line in self.output.splitlines()]
        return {words[0]: words[1] for words in lines if len(words) >= 2 and words[0] in SERVICES}

    def wait_for(self, text: str) -> None:
        def told() -> bool:
            assert self.process.poll() is None, self.output
            return text in self.output

        wait_until(told, f"{text!r} is not told:\n{self.output if self._output.exists() else ''}", seconds=300)

    def wait_until_nothing_is_left(self) -> None:
        wait_until(lambda: not family_of(self.home), f"orphans: {family_of(self.home)}", seconds=30)


@pytest.fixture
def up(tracking_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.chdir(tmp_path)
    started: list[Up] = []

    def start(*options: str) -> Up:
        started.append(Up(tracking_home, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
    for process in family_of(tracking_home):
        process.kill()


def test_four_services_start_survive_each_other_and_end_together(up, tmp_path):
    (tmp_path / "mine.ipynb").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        house = up("--gateway-port", "0", "--mlflow-port", str(port), "--app-port", "0", "--jupyter-port", "0")
        house.wait_for("Ctrl-C stops everything")
    assert tuple(sorted(house.urls)) == tuple(sorted(SERVICES))
    assert urlsplit(house.urls["mlflow"]).port != port
    assert answers(house.urls["gateway"] + "/healthz")
    assert answers(house.urls["mlflow"] + "/health")
    assert answers(house.urls["app"] + "/_stcore/health")

    lab = house.urls["jupyterlab"]
    with urllib.request.urlopen(lab.replace("/lab?", "/api/contents?"), timeout=30) as answer:
        assert [entry["name"] for entry in json.load(answer)["content"]] == ["mine.ipynb"]
    token = urlsplit(lab).query.removeprefix("token=")
    assert not answers(lab.replace(token, "wrong").replace("/lab?", "/api/contents?"))
    assert not any(token in " ".join(command_of(process)) for process in family_of(house.home))

    told = json.loads(CliRunner().invoke(main, ["status", "--json", "--show-tokens"]).stdout)
    assert told["up"] == {"pid": house.process.pid, "services": house.urls}
    assert house.process.pid in [one["pid"] for one in told["users"]]

    app_command = ["uvicorn", "workbench_app.asgi:app"]
    (app,) = (process for process in family_of(house.home) if command_of(process)[3:5] == app_command)
    app.kill()
    house.wait_for("app ended with exit code 137")
    assert "app.log" in house.output
    assert answers(house.urls["mlflow"] + "/health")

    house.process.send_signal(signal.SIGINT)
    assert house.process.wait(60) == 0
    house.wait_until_nothing_is_left()
    assert not (house.home / "up.json").exists()
    assert not (house.home / "gateway.json").exists()


def test_nothing_is_left_when_up_is_killed(up):
    house = up("--gateway-port", "0", "--mlflow-port", "0", "--app-port", "0", "--jupyter-port", "0")
    house.wait_for("jupyterlab ")
    url = house.urls["jupyterlab"].replace("/lab?", "/api/kernels?")
    with urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST"), timeout=60) as answer:
        kernel = json.load(answer)["id"]
    wait_until(
        lambda: any(kernel in " ".join(command_of(process)) for process in family_of(house.home)), "no kernel starts"
    )
    house.process.kill()
    house.process.wait()
    house.wait_until_nothing_is_left()


def test_a_service_manager_may_end_it_while_it_starts(up):
    house = up("--gateway-port", "0", "--mlflow-port", "0", "--app-port", "0", "--jupyter-port", "0")
    house.wait_for("gateway ")
    house.process.terminate()
    assert house.process.wait(60) == 0
    house.wait_until_nothing_is_left()


def test_a_wrong_configuration_starts_nothing(up, tmp_path):
    (tmp_path / "workbench.toml").write_text("colour = 1")
    house = up()
    assert house.process.wait(60) == 2
    assert "colour: unknown key" in house.output
    assert family_of(house.home) == []
