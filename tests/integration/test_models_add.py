"""`workbench models add`: a model of one's own answers by name from the next call on, and after a restart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.cli.models.probe import Server
from workbench.errors import InvalidInput, NotFound, ProviderUnavailable
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

INHOUSE = """
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "qwen3"
deployments = [{{ provider = "acme", model = "qwen3" }}]
[[models]]
name = "vectors"
task = "embedding"
deployments = [{{ provider = "acme", model = "text-embedding-3-small" }}]
"""


@pytest.fixture(scope="module")
def server(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server of OpenAI's protocol with two models, which wants a key: another gateway."""
    config = INHOUSE.format(url=providers.url)
    with running_gateway(
        tmp_path_factory.mktemp("inhouse"), config=config, environ={"ACME_KEY": providers.credential}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def server_key(server: RunningGateway) -> str:
    return server.issue_key()


@pytest.fixture
def add(
    home: Path, server_key: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    monkeypatch.setenv("INHOUSE_KEY", server_key)

    def run(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workbench.cli", "models", "add", *arguments, "--url", gateway.url]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)

    return run


Add = Callable[..., subprocess.CompletedProcess[str]]


def ask(gateway: RunningGateway, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=120)


def catalogue(gateway: RunningGateway, model: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {gateway.issue_key()}"}
    return dict(httpx.get(f"{gateway.url}/v1/models/{model}", headers=headers).json()["catalogue"])


def test_a_model_of_a_server_answers_by_name_at_once_and_after_a_restart(
    home: Path, server: RunningGateway, add: Add
) -> None:
    with running_gateway(home) as gateway:
        arguments = (server.url, "--credential-env", "INHOUSE_KEY", "--model", "qwen3", "--name", "team/qwen")
        done = add(gateway, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["name"], told["model"], told["task"]) == ("team/qwen", "qwen3", "chat")
        assert told["tools"] is told["json_schema"] is True
        assert told["tokens_per_second"] > 0
        assert ask(gateway, "team/qwen").json()["choices"][0]["message"]["content"] == "echo: hello"
        facts = catalogue(gateway, "team/qwen")["facts"]
        assert (facts["tools"], facts["json_schema"]) == (True, True)
        assert add(gateway, server.url, "--credential-env", "INHOUSE_KEY", "--model", "vectors").returncode == 0
        assert catalogue(gateway, "vectors")["task"] == "embedding"
        gateway.stop()
    assert (home / "workbench.toml").read_text("utf-8").count("[providers.127-0-0-1]") == 1  # one server, one entry
    with running_gateway(home) as gateway:
        assert ask(gateway, "team/qwen").status_code == 200
        command = [sys.executable, "-m", "workbench.cli", "models", "forget", "team/qwen", "--url", gateway.url]
        subprocess.run(command, check=True)
        assert ask(gateway, "team/qwen").status_code == 404


def test_a_file_of_weights_is_served_here(model_home: Path, add: Add) -> None:
    (weights,) = (model_home / "models" / "smollm2-135m").glob("*.gguf")
    with running_gateway(model_home) as gateway:
        done = add(gateway, str(weights), "--name", "own-model")
        assert done.returncode == 0, done.stderr
        assert "context 4096" in done.stdout
        assert ask(gateway, "own-model").status_code == 200


def test_a_server_that_is_none_changes_nothing(home: Path, providers: SimulatedProviders, add: Add) -> None:
    with running_gateway(home) as gateway:
        done = add(gateway, f"{providers.url}/nowhere")
        assert (done.returncode, "No list of models" in done.stderr) == (1, True)
        gateway.stop()
    assert not (home / "workbench.toml").exists()


def test_a_gateway_that_reads_another_file_leaves_this_one_as_it_was(
    home: Path, tmp_path: Path, server: RunningGateway, add: Add
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("# nothing of mine\n", "utf-8")
    with running_gateway(home) as gateway:
        done = add(gateway, server.url, "--credential-env", "INHOUSE_KEY", "--model", "qwen3", "--config", str(other))
    assert (done.returncode, "another configuration" in done.stderr) == (1, True)
    assert other.read_text("utf-8") == "# nothing of mine\n"


def test_a_gateway_that_lacks_the_key_is_told_to_have_it_in_its_own_environment(
    home: Path, server: RunningGateway, server_key: str, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INHOUSE_KEY")
    with running_gateway(home) as gateway:
        monkeypatch.setenv("INHOUSE_KEY", server_key)
        done = add(gateway, server.url, "--credential-env", "INHOUSE_KEY", "--model", "qwen3")
        gateway.stop()
    assert done.returncode == 1
    assert f"The gateway at {gateway.url} does not have the environment variable INHOUSE_KEY" in done.stderr
    assert "Start the gateway again where INHOUSE_KEY is set" in done.stderr
    assert not (home / "workbench.toml").exists()


def test_one_of_several_models_must_be_chosen(home: Path, server: RunningGateway, add: Add) -> None:
    with running_gateway(home) as gateway:
        done = add(gateway, server.url, "--credential-env", "INHOUSE_KEY")
    assert (done.returncode, "'qwen3', 'vectors'" in done.stderr) == (1, True)


class TestTheProbe:
    def test_a_key_that_is_missing_is_told(self, server: RunningGateway) -> None:
        with pytest.raises(NotFound, match="--credential-env"):
            Server(server.url)

    def test_a_server_that_is_away_is_told(self) -> None:
        with pytest.raises(ProviderUnavailable, match="does not answer"):
            Server("http://127.0.0.1:9")

    def test_what_is_no_url_is_told(self) -> None:
        with pytest.raises(InvalidInput):
            Server("ftp://example.com")

    def test_a_model_that_neither_chats_nor_embeds_is_told(
        self, server: RunningGateway, server_key: str, providers: SimulatedProviders
    ) -> None:
        providers.fail("status", status=400, times=0)
        with pytest.raises(InvalidInput, match="neither chats"):
            Server(server.url, server_key).probe("qwen3")
        providers.clear()
