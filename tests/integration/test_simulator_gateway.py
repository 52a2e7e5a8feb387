"""A gateway that is started with the configuration of `workbench simulate` answers from each simulated provider."""

from __future__ import annotations

from pathlib import Path

import openai

from workbench.simulator.configuration import MODELS, write_configuration
from workbench.testing.gateway import running_gateway
from workbench.testing.simulator import simulated_providers


def test_the_written_configuration_reaches_every_provider(tmp_path: Path) -> None:
    with simulated_providers() as providers:
        config = write_configuration(providers.simulator.state, providers.url, tmp_path / "simulated")
        arguments = ("--config", str(config))
        with running_gateway(tmp_path / "home", arguments=arguments) as gateway:
            client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.issue_key(), max_retries=0)
            for name, provider, _ in MODELS:
                told = client.chat.completions.create(
                    model=name, messages=[{"role": "user", "content": "hello there"}], max_tokens=50
                )
                assert told.choices[0].message.content == "echo: hello there", name
                assert providers.requests[-1].provider == provider
