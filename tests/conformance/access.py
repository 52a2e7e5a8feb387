"""How the simulator is signed in to, by each provider: an SDK's key in the direct lane, the gateway's configuration."""

from __future__ import annotations

from pathlib import Path

from bench import MODELS

from workbench.testing.simulator import SimulatedProviders


def credentials(simulator: SimulatedProviders) -> dict[str, str]:
    """Return what an SDK is given as key by each provider, where it talks to the simulator itself."""
    keys = dict.fromkeys(MODELS, simulator.credential)
    return keys | {"bedrock": f"{simulator.aws_key_id}:{simulator.aws_secret}", "vertex": simulator.google_token()}


def environment(simulator: SimulatedProviders) -> dict[str, str]:
    """Return the variables that the gateway's credentials are in."""
    keys = credentials(simulator)
    return {"SIMULATED_KEY": simulator.credential, "SIMULATED_AWS": keys["bedrock"]}


def configuration(simulator: SimulatedProviders, folder: Path) -> str:
    """Return a configuration with every provider and its models, under their own names."""
    url, key = simulator.url, 'credential = { env = "SIMULATED_KEY" }'
    (folder / "account.json").write_text(simulator.service_account(), "utf-8")
    google = f'credential = {{ file = "{folder / "account.json"}" }}'
    providers = {
        "openai": [f'base_url = "{url}/v1"', key],
        "azure": [f'base_url = "{url}"', 'api_version = "2024-10-21"', key],
        "anthropic": [f'base_url = "{url}"', key],
        "gemini": [f'base_url = "{url}"', key],
        "vertex": [f'base_url = "{url}"', google, 'project = "menu-team"', 'location = "europe-west4"'],
        "bedrock": [f'base_url = "{url}"', 'credential = { env = "SIMULATED_AWS" }', 'region = "eu-central-1"'],
    }
    lines = []
    for name, told in providers.items():
        lines += [f"[providers.{name}]", f'kind = "{name}"', *told]
    for provider, models in MODELS.items():
        if provider == "azure":
            continue  # its models have OpenAI's names; its native path needs none
        for task, name in models.items():
            lines += ["[[models]]", f'name = "{name}"', f'task = "{task}"']
            lines += [f'deployments = [{{ provider = "{provider}", model = "{name}" }}]']
    return "\n".join(lines)
