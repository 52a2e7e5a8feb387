"""`workbench models add`: onboard a model of one's own, from a server, a file or a hub, without a restart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from workbench.cli.models.engines import model_desk
from workbench.cli.options import config_option, json_option
from workbench.cli.which_gateway import url_option
from workbench.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from workbench.cli.models.probe import Facts
    from workbench.client.model_desk import ModelDesk

_KEY_SECONDS = 600
_TIMEOUT = 10.0


@click.command()
@click.argument("source", metavar="URL|FILE|hf:OWNER/REPO/FILE.gguf")
@click.option("--name", metavar="NAME", help="What callers are to call it; default: the model's own name.")
@click.option("--model", metavar="MODEL", help="Which model of the server; default: the only one that it has.")
@click.option(
    "--credential-env", metavar="VAR", help="Environment variable that holds the server's key, if it wants one."
)
@click.option(
    "--trust",
    type=click.Choice(["in_house", "assured", "third_party"]),
    default="in_house",
    show_default=True,
    help="Who runs the server.",
)
@config_option
@url_option
@json_option
def add(
    *,
    source: str,
    name: str | None,
    model: str | None,
    credential_env: str | None,
    trust: str,
    config: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Onboard a model: try it, register it at the running gateway, and have it answer by name from the next call on.

    URL is an OpenAI-compatible server, such as vLLM or Ollama; FILE.gguf and hf:OWNER/REPO/FILE.gguf are served here.
    What was found out (context, tools, JSON, pace) stands in the catalogue. It outlives a restart of the gateway.
    """
    desk = model_desk(url)
    if urlsplit(source).scheme in ("http", "https"):
        added = _from_server(
            desk, source, name=name, model=model, credential_env=credential_env, trust=trust, config=config
        )
    elif credential_env or model:
        raise InvalidInput("--credential-env and --model are for a server.", hint="A file has one model and no key.")
    else:
        added = _from_weights(desk, source, name=name, config=config)
    if as_json:
        click.echo(json.dumps({"name": added.name, "provider": added.provider, "model": added.model,
                               "task": added.facts.task, **added.facts.known()}, indent=2))  # fmt: skip
        return
    click.echo(f"{added.name} answers at {desk.url}: {_told(added.facts)}.")


@dataclass(frozen=True)
class _Added:
    name: str
    provider: str
    model: str
    facts: Facts


def _from_server(
    desk: ModelDesk,
    source: str,
    *,
    name: str | None,
    model: str | None,
    credential_env: str | None,
    trust: str,
    config: Path | None,
) -> _Added:
    from workbench.cli.models.probe import Server
    from workbench.settings import Credential, resolve_credential

    key = resolve_credential(Credential(env=credential_env), folder=Path.cwd()) if credential_env else None
    server = Server(source, key)
    model = _one_of(server.models(), model, server.base_url)
    click.echo(f"Trying {model} at {server.base_url}: context, tools, JSON, pace ...", err=True)
    facts = server.probe(model)
    entry: dict[str, Any] = {"kind": "openai_compatible", "base_url": server.base_url, "trust": trust}
    if credential_env:
        entry["credential"] = {"env": credential_env}
    wanted = re.sub(r"[^a-z0-9]+", "-", (urlsplit(source).hostname or "server").lower())
    provider = _provider(desk, entry, wanted, config)
    _register(desk, name or model, provider, model, facts)
    return _Added(name or model, provider, model, facts)


def _from_weights(desk: ModelDesk, source: str, *, name: str | None, config: Path | None) -> _Added:
    from workbench.cli.models.probe import Server
    from workbench.client.key_desk import KeyDesk
    from workbench.local import weights
    from workbench.settings import home_folder

    home = home_folder()
    if source.startswith("hf:"):
        done = weights.pull(source, home=home, save_as=name)
    elif Path(source).suffix == ".gguf":
        file = Path(source).expanduser()
        done = weights.pull(name or _as_name(file.stem), home=home, source=file)
    else:
        raise InvalidInput(
            f"{source!r} is neither a URL, nor a .gguf file, nor hf:OWNER/REPO/FILE.gguf.",
            hint="`workbench models add --help` shows the forms.",
        )
    model = done.installed.model
    provider = _provider(desk, {"kind": "local", "trust": "in_house"}, "local", config)
    click.echo(f"Trying {model.name}: tools, JSON, pace ...", err=True)
    keys = KeyDesk(desk.url, desk.token)
    key = keys.issue(note=f"models add {model.name}", expires_in=_KEY_SECONDS, lease=None, timeout=_TIMEOUT)
    try:
        # On the provider's own path it answers before it is registered; what can't answer is never offered.
        found = Server(f"{desk.url}/{provider}/v1", key.key).probe(model.name)
    finally:
        keys.revoke(key.id, timeout=_TIMEOUT)
    facts = replace(found, context_tokens=model.context_length)
    _register(desk, model.name, provider, model.name, facts)
    return _Added(model.name, provider, model.name, facts)


def _one_of(models: list[str], asked: str | None, where: str) -> str:
    if asked is not None:
        if asked not in models:
            raise NotFound(f"{where} has no model {asked!r}.", hint=f"It has {', '.join(map(repr, models)) or 'none'}.")
        return asked
    if len(models) != 1:
        listed = ", ".join(map(repr, models[:20])) or "none"
        raise InvalidInput(f"{where} has {len(models)} models: {listed}.", hint="Choose one with --model.")
    return models[0]


def _provider(desk: ModelDesk, entry: dict[str, Any], wanted: str, config: Path | None) -> str:
    """Return the name of the provider that `entry` describes; put it into the configuration if it is not there.

    Destinations come from the configuration only, so a new one is written there and the gateway reads it again.
    """
    from workbench.client.onboarding import put_provider
    from workbench.settings import CONFIG_NAME, config_path, home_folder, load_settings

    settings = load_settings(config, credentials=False)
    for name, provider in settings.providers.items():
        if provider.kind == entry["kind"] and (provider.base_url or "").rstrip("/") == entry.get("base_url", ""):
            return name
    name, number = wanted, 2
    while name in settings.providers:
        name, number = f"{wanted}-{number}", number + 1
    path = config_path(config) or home_folder() / CONFIG_NAME
    put_provider(desk, path, name, entry)
    click.echo(f"Provider {name} stands in {path} now.", err=True)
    return name


def _register(desk: ModelDesk, name: str, provider: str, model: str, facts: Facts) -> None:
    desk.register({"name": name, "provider": provider, "model": model, "task": facts.task, "facts": facts.known()})


def _as_name(stem: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "model"


def _told(facts: Facts) -> str:
    yes = {True: "yes", False: "no", None: "unknown"}
    told = [facts.task, f"context {facts.context_tokens or 'unknown'}"]
    if facts.task == "chat":
        told += [f"tools {yes[facts.tools]}", f"JSON by schema {yes[facts.json_schema]}"]
        if facts.tokens_per_second is not None:
            told.append(f"{facts.tokens_per_second:.0f} tokens/s, the first after {facts.first_token_ms:.0f} ms")
    elif facts.dimensions is not None:
        told.append(f"{facts.dimensions} dimensions")
    return ", ".join(told)
