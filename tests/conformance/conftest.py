"""One simulator and one gateway in front of it for all SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from access import configuration, credentials, environment
from bench import Bench

from workbench.testing.gateway import running_gateway
from workbench.testing.simulator import SimulatedProviders, simulated_providers


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatedProviders]:
    with simulated_providers() as running:
        yield running


@pytest.fixture(scope="session")
def bench(simulator: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("conformance")
    with running_gateway(home, config=configuration(simulator, home), environ=environment(simulator)) as gateway:
        yield Bench(simulator, gateway, credentials(simulator))


@pytest.fixture(autouse=True)
def _nothing_left_over(simulator: SimulatedProviders) -> Iterator[None]:
    yield
    simulator.clear()


@pytest.fixture(scope="module")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have clients that speak plain HTTP load one certificate rather than all: it is most of what making them costs."""
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("certificates") / "one.pem"
    file.write_text(Path(certifi.where()).read_text("utf-8").partition(end)[0] + end, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield
