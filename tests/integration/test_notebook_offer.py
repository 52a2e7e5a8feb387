"""What is found on a machine is offered once in a real kernel; one press makes it callable at the embedded gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.client.key_desk import KeyDesk
from workbench.errors import Conflict, NotFound, PermissionDenied, WorkbenchError
from workbench.interactive.offer import first_offer
from workbench.services.embedded import EmbeddedGateway, GatewayAddress
from workbench.testing.kernel import Kernel, running_kernel
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.wire.embedded import read_record
from workbench.wire.key_file import MountedKey, write_key_file

VIEW = "application/vnd.jupyter.widget-view+json"
# By its own protocol: the simulator's Ollama wants no key there, as a real one wants none anywhere.
ASK = """
body = {"model": name, "messages": [{"role": "user", "content": "hello"}], "stream": False}
gateway.openai.post(gateway.url + "/ollama/api/chat", cast_to=object, body=body)
"""
HIDDEN_KEY = "sk-found-on-the-machine"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayAddress]:
    home = tmp_path_factory.mktemp("offer") / "home"
    with EmbeddedGateway(home, restart=False) as gateway:
        assert gateway.address is not None
        yield gateway.address


@pytest.fixture
def machine(
    embedded: GatewayAddress,
    providers: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The home of that gateway, on a machine where the simulator is the Ollama, and there is nothing else."""
    home = next(path for path in tmp_path_factory.getbasetemp().glob("offer*/home") if read_record(path))
    nowhere = str(home / "none")
    told = {"WORKBENCH_HOME": str(home), "WORKBENCH_GATEWAY_URL": embedded.url, "OLLAMA_HOST": providers.url}
    for name, value in {**told, "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home)
    return home


def test_a_key_that_the_gateway_does_not_have_is_refused_and_nothing_is_left_behind(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", HIDDEN_KEY)
    offer = wb.offer()
    shown = repr(offer) + offer._repr_html_()
    assert "--credential-env ANTHROPIC_API_KEY" in shown
    with pytest.raises(WorkbenchError, match="ANTHROPIC_API_KEY") as refused:
        offer.add("anthropic")
    assert HIDDEN_KEY not in shown + str(refused.value)
    assert not (machine / "workbench.toml").exists()
    with pytest.raises(NotFound, match="'nothing' was not found"):
        offer.add("nothing")


def test_a_configuration_that_somebody_wrote_is_theirs_to_change(machine: Path) -> None:
    file = machine / "workbench.toml"
    file.write_text("# mine\n[gateway]\n", "utf-8")
    with pytest.raises(Conflict, match=r"yours to change.*workbench config add provider ollama"):
        wb.offer().add()
    assert file.read_text("utf-8") == "# mine\n[gateway]\n"
    assert first_offer() is None
    file.unlink()


def test_a_gateway_that_others_run_takes_nothing_from_a_notebook(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", "https://gateway.example.com")
    with pytest.raises(PermissionDenied, match="is not the one of this home"):
        wb.offer().add()
    assert first_offer() is None
    assert not (machine / "workbench.toml").exists()


def test_what_is_found_is_offered_once_and_one_press_makes_it_callable(machine: Path, embedded: GatewayAddress) -> None:
    key = KeyDesk(embedded.url, embedded.owner_token).issue(note="test", expires_in=600, lease=None, timeout=10).key
    key_file = machine / "key" / "kernel.json"
    write_key_file(key_file, MountedKey(key, None, embedded.url))
    with running_kernel({"WORKBENCH_KEY_FILE": str(key_file)}) as kernel:
        shown = offered(kernel)
        assert "Ollama at" in shown["text/html"]
        assert "workbench config add provider ollama" in shown["text/html"]
        kernel.press(shown[VIEW]["model_id"], "add")
        wait_until((machine / "workbench.toml").exists, "nothing was written", seconds=60)
        kernel.run("import workbench as wb; gateway = wb.Gateway(); name = gateway.models(provider='ollama').model[0]")
        assert "echo: hello" in kernel.run(ASK).told
    assert "Nothing was found" in repr(wb.offer())
    (machine / "workbench.toml").unlink()
    assert wb.offer().found  # it would be found again
    assert first_offer() is None  # but is not offered again


def offered(kernel: Kernel) -> dict[str, Any]:
    """Run cells until the offer stands above one; return what it shows."""
    shown: dict[str, Any] = {}

    def look() -> bool:
        for output in kernel.run("None").outputs:
            shown.update(output.get("data", {}))
        return bool(shown)

    wait_until(look, "no offer was shown", seconds=60)
    return shown
