"""What is found on a machine is offered once in a real kernel; one press makes it callable at the embedded gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.client.key_desk import KeyDesk
from workbench.services.embedded import EmbeddedGateway, GatewayAddress
from workbench.testing.gateway import RunningGateway
from workbench.testing.kernel import Kernel, running_kernel
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders, simulated_providers, wait_until
from workbench.wire.key_file import MountedKey, write_key_file

VIEW = "application/vnd.jupyter.widget-view+json"
# By its own protocol: the simulator's Ollama wants no key there, as a real one wants none anywhere.
ASK = """
body = {"model": name, "messages": [{"role": "user", "content": "hello"}], "stream": False}
gateway.openai.post(gateway.url + "/ollama/api/chat", cast_to=object, body=body)
"""
HIDDEN_KEY = "sk-found-on-the-machine"


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as running:
        yield running


@pytest.fixture
def embedded(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayAddress]:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with EmbeddedGateway(home, restart=False) as gateway:
        address = gateway.address
        assert address is not None
        yield address


def environ(folder: Path, url: str, token: str, providers: SimulatedProviders, **more: str) -> dict[str, str]:
    """Return the environment of a kernel on a machine where the simulator is the Ollama."""
    key = KeyDesk(url, token).issue(note="test", expires_in=600, lease=None, timeout=10).key
    key_file = folder / "key" / "kernel.json"
    write_key_file(key_file, MountedKey(key, None, url))
    nobody = {"AWS_CONFIG_FILE": str(folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none")}
    told = {"WORKBENCH_KEY_FILE": str(key_file), "WORKBENCH_GATEWAY_URL": url, "OLLAMA_HOST": providers.url}
    return {**nobody, **told, **more}


def offered(kernel: Kernel) -> dict[str, Any]:
    """Run cells until the offer stands above one; return what it shows."""
    shown: dict[str, Any] = {}

    def look() -> bool:
        for output in kernel.run("None").outputs:
            shown.update(output.get("data", {}))
        return bool(shown)

    wait_until(look, "no offer was shown", seconds=60)
    return shown


def test_what_is_found_is_offered_once_and_one_press_makes_it_callable(
    embedded: GatewayAddress, home: Path, providers: SimulatedProviders, tmp_path: Path
) -> None:
    around = environ(tmp_path, embedded.url, embedded.owner_token, providers)
    with running_kernel(around) as kernel:
        shown = offered(kernel)
        assert "Ollama at" in shown["text/html"]
        assert "workbench config add provider ollama" in shown["text/html"]
        kernel.press(shown[VIEW]["model_id"], "add")
        wait_until((home / "workbench.toml").exists, "nothing was written", seconds=60)
        kernel.run("import workbench as wb; gateway = wb.Gateway(); name = gateway.models(provider='ollama').model[0]")
        assert "echo: hello" in kernel.run(ASK).told
        assert "Nothing was found" in kernel.run("wb.offer()").told
    with running_kernel(around) as second:
        assert second.run("1").texts() == ["1"]
        assert second.run("import time; time.sleep(1)").outputs == []
        assert second.run("2").texts() == ["2"]


def test_a_key_that_the_gateway_does_not_have_is_refused_and_nothing_is_left_behind(
    embedded: GatewayAddress, home: Path, providers: SimulatedProviders, tmp_path: Path
) -> None:
    around = environ(tmp_path, embedded.url, embedded.owner_token, providers, ANTHROPIC_API_KEY=HIDDEN_KEY)
    with running_kernel(around) as kernel:
        kernel.run("import workbench as wb; offer = wb.offer()")
        shown = kernel.run("print(repr(offer)); print(offer._repr_html_())").printed
        assert "--credential-env ANTHROPIC_API_KEY" in shown
        told = kernel.run("offer.add('anthropic')").told
        assert "ANTHROPIC_API_KEY" in told
        assert HIDDEN_KEY not in shown + told
        assert not (home / "workbench.toml").exists()
        assert "is added" in kernel.run("offer.add('ollama')").told
        assert "'nothing' was not found" in kernel.run("offer.add('nothing')").told


def test_a_configuration_that_somebody_wrote_is_theirs_to_change(
    embedded: GatewayAddress, home: Path, providers: SimulatedProviders, tmp_path: Path
) -> None:
    with running_kernel(environ(tmp_path, embedded.url, embedded.owner_token, providers)) as kernel:
        (home / "workbench.toml").write_text("# mine\n[gateway]\n", "utf-8")
        told = kernel.run("import workbench as wb; wb.offer().add()").told
        assert "yours to change" in told
        assert "workbench config add provider ollama" in told
        assert (home / "workbench.toml").read_text("utf-8") == "# mine\n[gateway]\n"


def test_a_gateway_that_others_run_takes_nothing_from_a_notebook(
    home: Path, providers: SimulatedProviders, tmp_path: Path
) -> None:
    with simulated_gateway(tmp_path / "theirs", providers) as theirs:
        gateway: RunningGateway = theirs
        with running_kernel(environ(tmp_path, gateway.url, gateway.owner_token, providers)) as kernel:
            told = kernel.run("import workbench as wb; wb.offer().add()").told
            assert "is not the one of this home" in told
            assert not (home / "workbench.toml").exists()
