"""Artefacts of a run: tables whose cells may be images, figures and files."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from workbench.errors import IntegrityError, InvalidInput, NotFound
from workbench.tracking.store import Store

_FORMATS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp"}


def image_format(content: bytes) -> str:
    """Return `png`, `jpg` or `webp` by the first bytes; raises InvalidInput for anything else."""
    for magic, name in _FORMATS.items():
        if content.startswith(magic) and (name != "webp" or content[8:12] == b"WEBP"):
            return name
    raise InvalidInput(f"These {len(content)} bytes are no PNG, JPEG or WebP image.")


class Artifacts:
    """Write and read the files of a run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(
        self,
        run_id: str,
        *,
        tables: Mapping[str, pd.DataFrame],
        figures: Mapping[str, Any],
        files: Mapping[str, bytes],
    ) -> None:
        """Write all artefacts of a run."""
        client, write = self._store.client, self._store.write
        for name, table in tables.items():
            shown, images = _images_as_files(name, table)
            self._write_files(run_id, images)
            # MLflow would append to a table of the same name: a run is written once, so there is none.
            write(lambda name=name, shown=shown: client.log_table(run_id, shown, name))  # type: ignore[misc]
        for name, figure in figures.items():
            write(lambda name=name, figure=figure: client.log_figure(run_id, figure, name))  # type: ignore[misc]
        self._write_files(run_id, files)

    def table(self, run_id: str, name: str, *, images: bool = False) -> pd.DataFrame:
        """Read a table. An image cell is `{"type": "image", "filepath": ...}`, or its bytes with `images=True`.

        MLflow's own reader is not used: it turns text that looks like a number or a date into one.
        """
        try:
            fields = json.loads(self.file(run_id, name))
            table = pd.DataFrame(fields["data"], columns=fields["columns"])
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"The artefact {name} of run {run_id} is not a table.") from error
        if images:
            for column in table.columns:
                if table[column].map(_holds_images).any():
                    table[column] = [self._with_bytes(run_id, cell) for cell in table[column]]
        return table

    def file(self, run_id: str, path: str) -> bytes:
        """Read one artefact; raises NotFound."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                got = self._store.read(lambda: self._store.client.download_artifacts(run_id, path, folder))
                return Path(got).read_bytes()
        except (OSError, NotFound) as error:
            raise NotFound(f"Run {run_id} has no artefact {path!r}.") from error

    def paths(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of a run's artefacts, folders not opened."""
        return [str(each.path) for each in self._store.read(lambda: self._store.client.list_artifacts(run_id, folder))]

    def _write_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                place = PurePosixPath(path)
                draft = Path(folder) / place.name
                draft.write_bytes(content)
                parent = None if place.parent == PurePosixPath() else str(place.parent)
                self._store.write(lambda at=draft, to=parent: self._store.client.log_artifact(run_id, str(at), to))  # type: ignore[misc]

    def _with_bytes(self, run_id: str, cell: Any) -> Any:
        if isinstance(cell, list):
            return [self._with_bytes(run_id, each) for each in cell]
        return self.file(run_id, cell["filepath"]) if _holds_images(cell) else cell


def _images_as_files(name: str, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Replace image cells by references in the form that MLflow's UI shows as pictures."""
    files: dict[str, bytes] = {}
    folder = f"table_images/{PurePosixPath(name).stem}"

    def replace(cell: Any) -> Any:
        if isinstance(cell, (list, tuple)) and any(isinstance(each, bytes) for each in cell):
            return [replace(each) for each in cell]
        if not isinstance(cell, bytes):
            return cell
        path = f"{folder}/{hashlib.sha256(cell).hexdigest()[:32]}.{image_format(cell)}"
        files[path] = cell
        return {"type": "image", "filepath": path, "compressed_filepath": path}

    shown = pd.DataFrame({column: pd.Series([replace(c) for c in table[column]], dtype=object) for column in table})
    return shown, files


def _holds_images(cell: Any) -> bool:
    if isinstance(cell, list):
        return any(_holds_images(each) for each in cell)
    return isinstance(cell, dict) and cell.get("type") == "image" and "filepath" in cell
