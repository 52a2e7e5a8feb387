"""Where an application is deployed to, and what things are called there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InvalidInput
from workbench.settings.values import http_url
from workbench.wire.variables import Sdk, rows_for

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


def checked_url(url: str, *, what: str) -> str:
    """Return a gateway's URL as it is written; raises InvalidInput for one that can't be."""
    try:
        url = http_url(url)
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}.") from error
    if not _PLAIN.fullmatch(url):
        raise InvalidInput(f"{what}: {url!r} can't stand in an environment file unquoted.")
    return url


@dataclass(frozen=True)
class Target:
    """One application of a use case."""

    use_case: str
    """The use case that it runs as."""
    app: str
    """Its service, or its Deployment and container."""
    namespace: str | None
    """Kubernetes' namespace; None: that of whoever applies it."""
    form: str
    """The format."""
    folder: Path
    """Absolute path of the folder that the files are written to."""
    gateway_url: str | None = None
    """Where the application finds the gateway; None: as this command does."""
    key_id: str | None = None
    """The key's id; None: a key file was given."""
    sdks: tuple[Sdk, ...] = rows_for(())
    """Which SDKs find their variables."""

    @classmethod
    def of(cls, use_case: str, *, app: str | None, namespace: str | None, form: str, folder: Path) -> Target:
        """Make a target; raises InvalidInput for names that can't be written as they are."""
        for what, name in (("use case", use_case), ("--app", app), ("--namespace", namespace)):
            if name is not None and not _LABEL.fullmatch(name):
                raise InvalidInput(
                    f"{what}: {name[:80]!r} can't name a resource.",
                    hint="Small letters, digits and '-', 63 at most, as in menu-images.",
                )
        if not _PLAIN.fullmatch(str(folder)):
            raise InvalidInput(
                f"The path {folder} can't stand in an environment file unquoted.",
                hint="Choose a folder whose path has letters, digits and ._-/ only: --output DIR.",
            )
        return cls(use_case, app or use_case, namespace, form, folder)

    @property
    def key_path(self) -> Path:
        """Return where the key file is written, for formats that have one."""
        return self.folder / f"{self.use_case}.key.json"

    @property
    def again(self) -> str:
        """Return the command that writes the same files with another key."""
        app = "" if self.app == self.use_case else f" --app {self.app}"
        namespace = f" --namespace {self.namespace}" if self.namespace else ""
        url = f" --gateway-url {self.gateway_url}" if self.gateway_url else ""
        where = f"{app}{namespace}{url} --output {self.folder}"
        return f"workbench deploy {self.use_case} --format {self.form}{where} --force"
