"""What is measured: the upstream itself, relays, our gateway, and its peers, each in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import relay
from tests.benchmarks.processes import Tree, free_port, running
from tests.benchmarks.upstreams import MODELS, Upstreams
from workbench.client.key_desk import KeyDesk
from workbench.testing.gateway import running_gateway

NAMES = ("chat", *MODELS)
_PEERS = {
    "LiteLLM proxy": ("litellm", "litellm[proxy]>=1.106.0,<1.106.3"),
    "MLflow gateway": ("mlflow", "mlflow[gateway]>=3.17,<3.18"),
}
"""Folder and requirement of each."""
_ENVIRONMENTS = Path(".cache/benchmarks")


@dataclass(frozen=True)
class Target:
    """One thing that answers chats."""

    name: str
    """As the table calls it."""
    url: str
    """Where a chat is sent."""
    key: str = "none"
    """The key that it takes."""
    tree: Tree | None = None
    """Its processes; None for the upstream itself."""
    models: dict[str, str] = field(default_factory=dict)
    """URLs of single models, where each has its own."""

    def url_of(self, model: str) -> str:
        """Return where a chat with a model is sent."""
        return self.models.get(model, self.url)


def direct(at: Upstreams) -> Target:
    """Return the upstream itself."""
    return Target("direct", "", models={name: f"{at.base(name)}/chat/completions" for name in NAMES})


def nginx(at: Upstreams) -> Target:
    """Return nginx as a relay; it has no part in the comparison but to tell what a relay can do."""
    return Target("nginx, a relay in C", f"{at.nginx_relay}/v1/chat/completions")


@contextlib.contextmanager
def bare(at: Upstreams, folder: Path) -> Iterator[Target]:
    """Run the bare relay of `relay.py`."""
    command = [sys.executable, "-m", "tests.benchmarks.relay", at.base("chat")]
    with running(command, log=folder / "bare.out", ready_line=relay.READY) as (tree, url):
        yield Target("bare relay in Python", url, tree=tree)


@contextlib.contextmanager
def ours(at: Upstreams, folder: Path, *, sync: str = "full") -> Iterator[Target]:
    """Run our gateway with a production key that is held to calls a minute and money, prices and a durable ledger."""
    lines = [f'[state]\nledger_sync = "{sync}"']
    for name in NAMES:
        lines += [f'[providers.{name}]\nkind = "openai_compatible"\nbase_url = "{at.base(name)}"']
        lines += [f'[[models]]\nname = "{name}"\nprice = {{ input = 0.15, output = 0.6 }}']
        lines += [f'deployments = [{{ provider = "{name}", model = "{name}" }}]']
    with running_gateway(folder / "home", config="\n".join(lines)) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        wish = {"kind": "production", "owner": "bench", "use_case": "shop", "expires_in": 36_000}
        held = {"limits": {"requests_per_minute": 10_000_000}, "budget": {"usd_total": 100_000}}
        key = KeyDesk(gateway.url, gateway.owner_token).issue_any({**wish, **held}, timeout=10).key
        yield Target("workbench gateway", url, key, Tree(gateway.process.pid))


@contextlib.contextmanager
def litellm(at: Upstreams, folder: Path) -> Iterator[Target]:
    """Run LiteLLM's proxy with a master key; it keeps no ledger here."""
    config, port = folder / "litellm.json", free_port()
    entries = [
        {"model_name": n, "litellm_params": {"model": f"openai/{n}", "api_base": at.base(n), "api_key": "none"}}
        for n in NAMES
    ]
    config.write_text(json.dumps({"model_list": entries, "general_settings": {"master_key": "sk-bench"}}))
    command = [_program("LiteLLM proxy", "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    url = f"http://127.0.0.1:{port}"
    environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    with running([*command, "--host", "127.0.0.1"], log=folder / "litellm.out", ready_url=f"{url}/health/liveliness",
                 environ=environ) as (tree, _):  # fmt: skip
        yield Target("LiteLLM proxy", f"{url}/v1/chat/completions", "sk-bench", tree)


@contextlib.contextmanager
def mlflow(at: Upstreams, folder: Path) -> Iterator[Target]:
    """Run MLflow's gateway with one worker; it checks no key and keeps no ledger."""
    config, port = folder / "mlflow.yaml", free_port()
    entries = [
        {"name": n, "endpoint_type": "llm/v1/chat", "model": {"provider": "openai", "name": n, "config": {
            "openai_api_key": "none", "openai_api_base": at.base(n)}}}
        for n in NAMES
    ]  # fmt: skip
    config.write_text(json.dumps({"endpoints": entries}))
    program = _program("MLflow gateway", "uvicorn")
    command = [program, "--factory", "mlflow.gateway.app:create_app_from_env", "--port", str(port), "--no-access-log"]
    environ = {"MLFLOW_GATEWAY_CONFIG": str(config), "MLFLOW_DISABLE_TELEMETRY": "true"}
    url = f"http://127.0.0.1:{port}"
    with running(command, log=folder / "mlflow.out", ready_url=f"{url}/health", environ=environ) as (tree, _):
        yield Target("MLflow gateway", f"{url}/v1/chat/completions", "none", tree)


def _program(peer: str, name: str) -> str:
    """Return a program of a peer's own environment, which is made at first use."""
    folder, requirement = _PEERS[peer]
    environment = (_ENVIRONMENTS / folder).absolute()
    program = environment / "bin" / name
    if not program.exists():
        print(f"setting up {peer} in {environment} ...", file=sys.stderr, flush=True)  # noqa: T201
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "pip"), "install", "-q", requirement], check=True)
    return str(program)
