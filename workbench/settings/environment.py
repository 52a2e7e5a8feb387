"""What the environment tells; nothing else in the workbench reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from workbench.settings.machine import GATEWAY_KEYS


@dataclass(frozen=True)
class MountedEnvironment:
    """What the environment tells a client."""

    gateway_url: str | None
    """WORKBENCH_GATEWAY_URL: root URL of the gateway."""
    key_file: Path | None
    """WORKBENCH_KEY_FILE: JSON file with the key."""
    gateway_key: str | None = field(repr=False)
    """OPENAI_API_KEY, where it is a key of a gateway; another's is never sent to one."""
    home: Path
    """WORKBENCH_HOME, or its default."""


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return `$WORKBENCH_HOME`, or the platform's user-data folder; it need not exist."""
    environ = os.environ if environ is None else environ
    named = environ.get("WORKBENCH_HOME")
    return Path(named).expanduser().resolve() if named else Path(platformdirs.user_data_dir("genai-workbench"))


def mounted_environment(environ: Mapping[str, str] | None = None) -> MountedEnvironment:
    """Return what the environment tells a client; no file is read."""
    environ = os.environ if environ is None else environ
    key_file = environ.get("WORKBENCH_KEY_FILE")
    key = environ.get("OPENAI_API_KEY", "")
    return MountedEnvironment(
        gateway_url=environ.get("WORKBENCH_GATEWAY_URL") or None,
        key_file=Path(key_file) if key_file else None,
        gateway_key=key if key.startswith(GATEWAY_KEYS) else None,
        home=home_folder(environ),
    )


def has_display(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a browser could be opened for somebody to see."""
    environ = os.environ if environ is None else environ
    return sys.platform in ("darwin", "win32") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
