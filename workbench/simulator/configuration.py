"""A workbench.toml that points a gateway at the simulator, with the credential files that it refers to."""

from __future__ import annotations

from pathlib import Path

from workbench.simulator.clouds.service_account import make_service_account
from workbench.simulator.state import AWS_KEY_ID, AWS_SECRET, State

CONFIG = "workbench.toml"
"""Name of the configuration."""

_TEXT = """\
# Every provider of this file is simulated at {url}.

[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ file = "simulated.key" }}

[providers.azure]
kind = "azure"
base_url = "{url}"
api_version = "2024-10-21"
credential = {{ file = "simulated.key" }}

[providers.anthropic]
kind = "anthropic"
base_url = "{url}"
credential = {{ file = "simulated.key" }}

[providers.gemini]
kind = "gemini"
base_url = "{url}"
credential = {{ file = "simulated.key" }}

[providers.vertex]
kind = "vertex"
base_url = "{url}"
project = "simulated-project"
location = "europe-west4"
credential = {{ file = "simulated-google.json" }}

[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
credential = {{ file = "simulated-aws.key" }}
"""

_MODEL = """
[[models]]
name = "{name}"
[models.price]
input = 1.0
output = 2.0
[[models.deployments]]
provider = "{provider}"
model = "{model}"
"""

MODELS = (
    ("gpt-4o-mini", "openai", "gpt-4o-mini"),
    ("gpt-4o-mini-azure", "azure", "my-deployment"),
    ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
    ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
    ("gemini-2.5-flash-vertex", "vertex", "gemini-2.5-flash"),
    ("claude-sonnet-4-5-bedrock", "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
)
"""The models of the configuration: name, provider, and the provider's name of it."""

BASE_URLS = {
    "OpenAI": "{url}/v1",
    "Azure OpenAI": "{url}  (as azure_endpoint; or {url}/openai/v1)",
    "Anthropic": "{url}",
    "Gemini": "{url}",
    "Vertex AI": "{url}",
    "Bedrock": "{url}  (as endpoint_url)",
    "Ollama": "{url}  (its own protocol; OpenAI's as above)",
    "Cohere, Jina": "{url}  (rerank)",
    "Google's tokens": "{url}/google/token",
    "AWS's tokens": "{url}  (STS, IMDS); {url}/aws/container-credentials",
    "Entra's tokens": "{url}/<tenant>/oauth2/v2.0/token; {url}/msi/token",
    "a region of any": "{url}/region/<name>/... before the same paths",
}
"""What each provider's SDK takes as its base URL."""


def write_configuration(state: State, url: str, folder: Path) -> Path:
    """Write credentials and configuration into a folder of their own; return the configuration's file."""
    folder.mkdir(parents=True, exist_ok=True)
    secrets = {
        "simulated.key": state.credential,
        "simulated-aws.key": f"{AWS_KEY_ID}:{AWS_SECRET}",
        "simulated-google.json": make_service_account(state, url),
    }
    for name, secret in secrets.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret, "utf-8")
    models = (_MODEL.format(name=name, provider=provider, model=model) for name, provider, model in MODELS)
    file = folder / CONFIG
    file.write_text(_TEXT.format(url=url) + "".join(models), "utf-8")
    return file
