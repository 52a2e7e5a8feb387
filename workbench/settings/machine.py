"""What this machine has that a gateway could use: variables that hold a provider's key, an AWS profile. No network."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PROVIDER_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
"""Variables by kind of provider; the first one that is set counts."""
GATEWAY_KEYS = ("wbx-", "wbp-")
"""How keys of a gateway begin."""
OURS = (*GATEWAY_KEYS, "wbr-")
"""How they and references to them begin: such a variable holds no provider's key."""
_SIGN_IN = ("role_arn", "sso_session", "sso_start_url", "credential_process")
"""Options of a profile that has no key of its own and yet signs in."""
_LOOPBACK = ("127.0.0.1", "localhost", "0.0.0.0", "::1")  # noqa: S104 - where Ollama is told to listen
_OLLAMA_PORT = 11434


@dataclass(frozen=True)
class AwsProfile:
    """How this machine signs in to AWS."""

    name: str
    """Name of the profile; `default` for botocore's own chain."""
    region: str | None
    """Its region; None if nothing tells one."""


def provider_keys(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the name of the variable that holds a key, by kind of provider; the keys themselves are not returned."""
    environ = os.environ if environ is None else environ
    found = {}
    for kind, names in PROVIDER_KEYS.items():
        set_ = [name for name in names if environ.get(name) and not environ[name].startswith(OURS)]
        if set_:
            found[kind] = set_[0]
    return found


def aws_profile(environ: Mapping[str, str] | None = None) -> AwsProfile | None:
    """Return the AWS profile in use, or None where the machine has none; no credential is read."""
    environ = os.environ if environ is None else environ
    folder = Path.home() / ".aws"
    config = _ini(Path(environ.get("AWS_CONFIG_FILE") or folder / "config"))
    credentials = _ini(Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials"))
    name = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    section = "default" if name == "default" else f"profile {name}"
    signs_in = credentials.has_section(name) or any(config.has_option(section, option) for option in _SIGN_IN)
    if not signs_in and not environ.get("AWS_ACCESS_KEY_ID"):
        return None
    told = config.get(section, "region", fallback=None)
    return AwsProfile(name, environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or told)


def ollama_url(environ: Mapping[str, str] | None = None) -> str | None:
    """Return where Ollama listens on this machine if it runs; None where it was told to be on another one."""
    environ = os.environ if environ is None else environ
    told = environ.get("OLLAMA_HOST") or "127.0.0.1"
    try:
        parts = urlsplit(told if "://" in told else f"http://{told}")
        port = parts.port or _OLLAMA_PORT
    except ValueError:
        return None
    return f"http://127.0.0.1:{port}" if parts.hostname in _LOOPBACK else None


def _ini(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path.expanduser(), "utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return configparser.RawConfigParser()
    return parser
