"""Which cell of which notebook runs: the kernel tells it in a file beside its key file, and its calls carry it as tags.

Whoever sends a call for the kernel reads it, the relay and our own client; what the caller has tagged herself stays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.wire.key_file import write_private
from workbench.wire.tags import encode_tag

_LONGEST = 200  # characters of a tag's value


@dataclass(frozen=True)
class Cell:
    """What a kernel is running."""

    notebook: str | None
    """Path of the notebook; None for a kernel that was started without one."""
    cell: str | None
    """Id of the cell; None where the front end does not tell it."""
    run: int
    """The execution count."""

    @property
    def tags(self) -> dict[str, str]:
        """What a call made by it is tagged with: `notebook` and `cell`, as far as they are known."""
        told = {"notebook": self.notebook, "cell": self.cell}
        return {name: as_tag(value) for name, value in told.items() if value}


class CellFile:
    """`<key file>.cell`, read again when it was replaced."""

    def __init__(self, key_file: Path) -> None:
        self.path = key_file.with_name(f"{key_file.name}.cell")
        """Where it stands."""
        self._seen: tuple[int, int] | None = None
        self._tags: dict[str, str] = {}

    def write(self, cell: Cell) -> None:
        """Tell which cell begins to run; nothing is told once the folder is gone."""
        if not self.path.parent.is_dir():
            return
        # It counts for as long as the cell runs: it need not survive a power cut.
        write_private(self.path, json.dumps(asdict(cell)), synced=False)

    def read(self) -> Cell | None:
        """Return what was told last, None where nothing was or it can't be read."""
        try:
            fields = json.loads(self.path.read_text("utf-8"))
            return Cell(fields["notebook"], fields["cell"], int(fields["run"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def tags(self) -> Mapping[str, str]:
        """What a call is tagged with now; a look costs microseconds while the file stays the same."""
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - half the cost of Path.stat, at every call
        except OSError:
            return {}
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            # The mark is taken before the reading: a file that is replaced between them is read once more.
            cell, self._seen = self.read(), seen
            self._tags = cell.tags if cell else {}
        return self._tags


def as_tag(value: str) -> str:
    """Return a text as the value of a tag in the header; of one that is too long, the end."""
    value = value[-_LONGEST:]
    while len(told := encode_tag(value)) > _LONGEST:
        value = value[1:]
    return told


def with_tags(header: str, tags: Mapping[str, str]) -> str:
    """Return a header `x-workbench-tags` with these tags too; a tag that stands there already stays as it is."""
    theirs = {part.partition("=")[0].strip() for part in header.split(",")}
    ours = [f"{name}={value}" for name, value in tags.items() if name not in theirs]
    return ",".join([header, *ours] if header.strip() else ours)
