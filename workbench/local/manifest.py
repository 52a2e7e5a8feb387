"""What stands beside a file of weights and makes it a model: a manifest, written last.

A folder without a manifest, or whose file is not as long as the manifest says, is no model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm.auto import tqdm

from workbench.wire.whole_file import put_in_place, write_whole

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What is known of one file of weights."""

    name: str
    """The model's name, which is also its folder's."""
    file: str
    """Name of the GGUF file in the folder."""
    sha256: str
    """Its hash."""
    bytes: int
    """Its size."""
    source: str
    """Where it came from: a requirement, a file, a place on a hub, or how it was made."""
    licence: str
    """Licence of the weights."""


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder that holds a whole model, else None."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text("utf-8")))
        whole = (folder / manifest.file).stat().st_size == manifest.bytes
    except (OSError, ValueError, TypeError):
        return None
    return manifest if whole else None


def settle(draft: Path, folder: Path, manifest: Manifest) -> Path:
    """Turn a finished draft into a model: the file first, then the manifest, each whole or not at all.

    The draft lies below `folder`, so that it can be renamed.
    """
    target = folder / manifest.file
    (folder / MANIFEST).unlink(missing_ok=True)
    put_in_place(draft, target)
    text = folder / f".{MANIFEST}.draft"
    write_whole(folder / MANIFEST, f"{json.dumps(asdict(manifest), indent=2)}\n".encode(), draft=text)
    return target


def sha256_of(path: Path, *, progress: bool = False) -> str:
    """Return the hash of a file."""
    digest = hashlib.sha256()
    with (
        path.open("rb") as file,
        tqdm(
            total=path.stat().st_size, unit="B", unit_scale=True, desc=f"check {path.name}", disable=not progress
        ) as bar,
    ):
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
