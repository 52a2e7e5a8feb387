"""A gateway that is started for the suite alone.

It has the providers, models and rules of the configuration under test, and nothing that would touch what is in use:
its state, its address and its owner are its own.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from workbench.client.key_desk import KeyDesk
from workbench.settings import Settings
from workbench.testing.conformance.subject import Subject
from workbench.testing.gateway import running_gateway

_LEFT_OUT = ("state", "tracking", "identity", "review", "audit", "alerts", "jupyter", "policy")
"""Sections that say where things are kept, or who may do what."""
_OWN = ("host", "port", "stage", "metrics_token", "workers")
"""Keys of [gateway] that are about the process, not about calls."""
_KEY_SECONDS = 6 * 3600
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Rehearsal:
    """A gateway on a home of its own."""

    url: str
    """Root URL."""
    desk: KeyDesk
    """Where its owner gets keys."""

    def any_key(self) -> str:
        """Return a key that may use everything."""
        return self.desk.issue_scoped({}, expires_in=_KEY_SECONDS, timeout=_TIMEOUT).key

    def key_for(self, subject: Subject) -> str:
        """Return a key by which only the subject's provider can answer."""
        scopes = {"providers": [subject.provider]}
        return self.desk.issue_scoped(scopes, expires_in=_KEY_SECONDS, timeout=_TIMEOUT).key


@contextlib.contextmanager
def rehearsed(settings: Settings) -> Iterator[Rehearsal]:
    """Run a gateway with these settings' providers and models for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="workbench-conformance-") as folder:
        home = Path(folder)
        models = settings.home / "models"
        if models.is_dir():  # the embedded models' weights are large, and only read
            (home / "models").symlink_to(models.resolve(), target_is_directory=True)
        config = None if settings.file is None else rehearsal_text(settings.file)
        with running_gateway(home, config=config) as gateway:
            try:
                yield Rehearsal(gateway.url, KeyDesk(gateway.url, gateway.owner_token))
            finally:
                gateway.stop()


def rehearsal_text(file: Path) -> str:
    """Return the configuration for the rehearsal of `file`; relative paths in it are made absolute."""
    document = tomlkit.parse(file.read_text("utf-8")).unwrap()
    for section in _LEFT_OUT:
        document.pop(section, None)
    for name in _OWN:
        document.get("gateway", {}).pop(name, None)
    for provider in document.get("providers", {}).values():
        credential = provider.get("credential")
        if isinstance(credential, dict) and "file" in credential:
            credential["file"] = str((file.parent / Path(credential["file"]).expanduser()).resolve())
    return tomlkit.dumps(document)
