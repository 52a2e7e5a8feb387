"""What stands ready on this machine beside the embedded models, as providers that a configuration can take."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

from workbench.settings.machine import aws_profile, ollama_url, provider_keys
from workbench.settings.tables import Settings

_PROBE_SECONDS = 0.5
_LARGEST = 4 << 20
_MOST_MODELS = 100
_MAKERS = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google Gemini"}


@dataclass(frozen=True)
class Found:
    """One thing that was found."""

    name: str
    """What the provider is to be called."""
    what: str
    """What it is, in words."""
    entry: Mapping[str, Any]
    """The provider as the configuration takes it; references, never a secret."""
    models: tuple[Mapping[str, Any], ...]
    """Its models, as the configuration takes them."""
    options: tuple[str, ...] = field(default=(), repr=False)
    """The options of `workbench config add provider` that do the same."""

    @property
    def command(self) -> str:
        """The command that adds it."""
        return shlex.join(["workbench", "config", "add", "provider", self.name, *self.options])

    @property
    def callable_as(self) -> str:
        """How its models are called, in words."""
        names = [str(model["name"]) for model in self.models]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more


def look(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Found]:
    """Return what is there and not yet configured; Ollama is asked on loopback, and nothing else is asked at all."""
    here = [*_ollama(environ), *_keys(environ), *_aws(environ)]
    taken = set(settings.providers)
    return [found for found in here if found.name not in taken and not _is_configured(found, settings)]


def _is_configured(found: Found, settings: Settings) -> bool:
    for provider in settings.providers.values():
        if provider.kind != found.entry["kind"]:
            continue
        if found.entry.get("base_url") == ((provider.base_url or "").rstrip("/") or None):
            return True
    return False


def _ollama(environ: Mapping[str, str] | None) -> Iterable[Found]:
    url = ollama_url(environ)
    names = _ollama_models(url) if url is not None else []
    if not names:
        return
    base_url = f"{url}/v1"
    yield Found(
        name="ollama",
        what=f"Ollama at {url}, with {len(names)} model{'s' * (len(names) != 1)}",
        entry={"kind": "openai_compatible", "base_url": base_url, "trust": "in_house"},
        models=tuple(_model(name, "ollama", name) for name in names),
        options=_options("openai_compatible", "--base-url", base_url, "--trust", "in_house", models=names),
    )


def _ollama_models(url: str) -> list[str]:
    """Return the names of Ollama's models, none where it does not run."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/api/tags", timeout=_PROBE_SECONDS) as answer:
            rows = json.loads(answer.read(_LARGEST))["models"]
        return [str(row["name"]) for row in rows][:_MOST_MODELS]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return []


def _keys(environ: Mapping[str, str] | None) -> Iterable[Found]:
    for kind, variable in provider_keys(environ).items():
        yield Found(
            name=kind,
            what=f"{_MAKERS[kind]}, by the key in {variable}",
            entry={"kind": kind, "credential": {"env": variable}},
            models=(_model(f"{kind}/*", kind, "*"),),
            options=_options(kind, "--credential-env", variable, models=[f"{kind}/*=*"]),
        )


def _aws(environ: Mapping[str, str] | None) -> Iterable[Found]:
    profile = aws_profile(environ)
    if profile is None or profile.region is None:  # Bedrock can't be asked without a region
        return
    # The command knows the default sign-in only; the file takes a profile's name too.
    options = _options("bedrock", "--sign-in", "aws", "--region", profile.region, models=["bedrock/*=*"])
    yield Found(
        name="bedrock",
        what=f"Amazon Bedrock in {profile.region}, by the AWS profile {profile.name}",
        entry={"kind": "bedrock", "region": profile.region, "credential": {"aws": profile.name}},
        models=(_model("bedrock/*", "bedrock", "*"),),
        options=options,
    )


def _model(name: str, provider: str, upstream: str) -> dict[str, Any]:
    return {"name": name, "task": "chat", "deployments": [{"provider": provider, "model": upstream}]}


def _options(kind: str, *more: str, models: Iterable[str]) -> tuple[str, ...]:
    return ("--kind", kind, *more, *(part for model in models for part in ("--model", model)))
