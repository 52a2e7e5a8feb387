"""The files of a deployment, by format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.cli.deploy import compose, env, kubernetes
from workbench.cli.deploy.target import Target
from workbench.errors import Conflict
from workbench.wire.key_file import MountedKey, write_private


@dataclass(frozen=True)
class Format:
    """One way to deploy."""

    suffixes: tuple[str, ...]
    """How the names of its files end; they begin with the use case."""
    texts: Callable[[Target, MountedKey], tuple[str, ...]]
    """What they hold, in the same order."""
    rotation: str
    """How the files are used, and the key is rotated."""
    remote: bool
    """Whether the application runs where this machine's loopback is another one's."""


FORMATS = {
    "env": Format((".env", ".key.json"), env.texts, env.ROTATION, remote=False),
    "docker-compose": Format((".compose.yaml", ".env", ".key.json"), compose.texts, compose.ROTATION, remote=True),
    "kubernetes": Format((".secret.yaml", ".deployment.yaml"), kubernetes.texts, kubernetes.ROTATION, remote=True),
}


def paths(form: Format, target: Target) -> list[Path]:
    """Return where its files are written."""
    return [target.folder / f"{target.use_case}{suffix}" for suffix in form.suffixes]


def check_free(found: Sequence[Path]) -> None:
    """Raise Conflict for files that are there."""
    if there := [path for path in found if path.exists()]:
        raise Conflict(
            f"{', '.join(path.name for path in there)} {'is' if len(there) == 1 else 'are'} there already.",
            hint="--force replaces them, --output writes elsewhere.",
        )


def write(form: Format, target: Target, key: MountedKey) -> list[Path]:
    """Write the files, each whole or not at all, mode 0600."""
    written = paths(form, target)
    for path, text in zip(written, form.texts(target, key), strict=True):
        write_private(path, text)
    return written
