"""A gateway in front of simulated providers: two models, `chatty` with a price and `vectors`, that cost nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

KEY_VARIABLE = "SIM_KEY"
"""The environment variable that the configuration reads the simulator's key from."""


def simulated_config(providers: SimulatedProviders) -> str:
    """Return the text of a workbench.toml with provider `sim` and its models; any free port is taken."""
    return f"""
[gateway]
port = 0

[providers.sim]
kind = "openai_compatible"
base_url = "{providers.url}/v1"
credential = {{ env = "{KEY_VARIABLE}" }}

[[models]]
name = "chatty"
price = {{ input = 1.0, output = 2.0 }}
deployments = [{{ provider = "sim", model = "sim-chat" }}]

[[models]]
name = "vectors"
task = "embedding"
deployments = [{{ provider = "sim", model = "sim-vectors" }}]
"""


@contextlib.contextmanager
def simulated_gateway(home: Path, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    """Run a gateway with that configuration for as long as the block runs."""
    environ = {KEY_VARIABLE: providers.credential}
    with running_gateway(home, config=simulated_config(providers), environ=environ) as gateway:
        yield gateway
