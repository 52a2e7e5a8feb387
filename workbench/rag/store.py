"""Keep an index on disk so that it is always whole: new files first, then one rename of the manifest.

Killed at any point, the manifest that stands names files that stand. Nothing is pickled; every byte that is read was
checked against its checksum. One writer at a time; readers take no lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import Conflict, IntegrityError, NotFound
from workbench.rag.manifest import Manifest, Part
from workbench.wire.whole_file import write_whole

MANIFEST = "manifest.json"
_LOCK = "writer.lock"
_SUFFIXES = {"chunks": "jsonl", "terms": "npz", "vectors": "faiss"}
_READ_ATTEMPTS = 5


class Store:
    """The folder of one index."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        """Return whether an index stands here."""
        return (self.path / MANIFEST).is_file()

    @contextmanager
    def writing(self, *, timeout: float) -> Iterator[None]:
        """Hold the index for writing; raises Conflict when another writer keeps it longer than `timeout` seconds."""
        if self.path.exists() and not self.exists() and not (self.path.is_dir() and self._ours()):
            raise Conflict(
                f"{self.path} is a file or holds other files, so no index is made there.",
                hint="Name a folder that is empty or does not exist yet.",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / _LOCK, timeout=timeout):
                yield
        except Timeout as error:
            raise Conflict(
                f"Another process is writing to the index {self.path} (waited {timeout:g} s).",
                hint="Try again when it has finished.",
            ) from error

    def read_manifest(self) -> Manifest:
        """Return the manifest; raises NotFound where there is no index."""
        try:
            raw = (self.path / MANIFEST).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(
                f"No index at {self.path}.", hint=f"`workbench rag ingest FOLDER --index {self.path}` makes one."
            ) from error
        return Manifest.from_bytes(raw, where=str(self.path / MANIFEST))

    def read(self) -> tuple[Manifest, dict[str, bytes]]:
        """Return the manifest and the bytes of its parts.

        Raises NotFound where there is no index, IntegrityError where a part is missing or is not what was written.
        """
        manifest = self.read_manifest()
        for _ in range(_READ_ATTEMPTS):
            try:
                return manifest, {kind: self._read_part(part) for kind, part in manifest.parts.items()}
            except FileNotFoundError as error:
                # A writer may have replaced the manifest, and removed the old parts, since we read it.
                newer = self.read_manifest()
                if newer.generation == manifest.generation:
                    raise IntegrityError(
                        f"The index {self.path} lacks its file {Path(error.filename).name}.",
                        hint="Ingest the folder into a new index.",
                    ) from error
                manifest = newer
        raise Conflict(f"The index {self.path} changes faster than it can be read.", hint="Try again later.")

    def write(self, manifest: Manifest, parts: Mapping[str, bytes]) -> Manifest:
        """Write the parts, then the manifest that names them, then remove what no manifest names.

        Returns the manifest with its parts filled in. To be called while `writing`.
        """
        named = {kind: _part(kind, raw) for kind, raw in parts.items()}
        manifest = replace(manifest, parts=named)
        for kind, part in named.items():
            _write_whole(self.path / part.name, parts[kind])
        _write_whole(self.path / MANIFEST, manifest.to_bytes())
        kept = {MANIFEST, _LOCK, *(part.name for part in named.values())}
        for path in list(self.path.iterdir()):
            if path.name not in kept and _is_ours(path.name):
                path.unlink(missing_ok=True)
        return manifest

    def _read_part(self, part: Part) -> bytes:
        raw = (self.path / part.name).read_bytes()
        if len(raw) != part.size or hashlib.sha256(raw).hexdigest() != part.sha256:
            raise IntegrityError(
                f"The file {part.name} of the index {self.path} is not what was written.",
                hint="Ingest the folder into a new index.",
            )
        return raw

    def _ours(self) -> bool:
        """Return whether the folder holds nothing but what an ingest that was cut short leaves behind."""
        return all(_is_ours(path.name) for path in self.path.iterdir())


def _part(kind: str, raw: bytes) -> Part:
    digest = hashlib.sha256(raw).hexdigest()
    return Part(name=f"{kind}-{digest[:16]}.{_SUFFIXES[kind]}", sha256=digest, size=len(raw))


def _is_ours(name: str) -> bool:
    stem = name.removesuffix(".new")
    kinds = any(stem.startswith(f"{kind}-") and stem.endswith(suffix) for kind, suffix in _SUFFIXES.items())
    return kinds or name in (MANIFEST, f"{MANIFEST}.new", _LOCK)


def _write_whole(path: Path, raw: bytes) -> None:
    write_whole(path, raw, draft=path.with_name(f"{path.name}.new"))
