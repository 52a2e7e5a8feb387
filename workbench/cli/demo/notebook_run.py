"""Run a notebook cell by cell in a kernel of a running Jupyter server, and keep what each cell showed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_kernel_client import JupyterKernelClient
from jupyter_kernel_client.client import output_hook

from workbench.errors import WorkbenchError
from workbench.wire.key_file import write_private

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class CellFailed(WorkbenchError):
    """A cell of the notebook raised."""

    code, actor = "cell_failed", "caller"


@dataclass(frozen=True)
class CellRun:
    """What became of one code cell."""

    title: str
    """The nearest heading above it."""
    tag: str | None
    """Its first tag, by which programs find it."""
    outputs: list[dict[str, Any]]
    """Its outputs in nbformat's shape."""
    seconds: float
    """Wall time."""

    @property
    def text(self) -> str:
        """What it printed and showed, as plain text."""
        parts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in self.outputs]
        return "\n".join(part.strip() for part in parts if part.strip())


def with_parameters(notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> None:
    """Put a cell that sets `parameters` behind the cell tagged `parameters`, as papermill does."""
    cells = notebook.cells
    after = next(i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", []))
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    injected = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    cells.insert(after + 1, injected)


def run_cells(
    notebook: nbformat.NotebookNode,
    *,
    server_url: str,
    token: str,
    folder: str,
    cell_timeout: float,
    on_start: Callable[[str], None],
) -> Iterator[CellRun]:
    """Run every code cell in one new kernel and yield each when it has ended.

    `folder` is the kernel's working directory below the server's root; `cell_timeout` is in seconds. Raises CellFailed
    with the cell's own error. The outputs are put into `notebook` as they come.
    """
    kernel = JupyterKernelClient(server_url=server_url, token=token)
    kernel.start(path=folder)
    try:
        title = ""
        for count, cell in enumerate(notebook.cells, start=1):
            if cell.cell_type != "code":
                title = next((ln.lstrip("# ") for ln in cell.source.splitlines() if ln.startswith("#")), title)
                continue
            on_start(title)
            started = time.monotonic()
            outputs: list[dict[str, Any]] = []
            reply = kernel.execute_interactive(
                cell.source,
                timeout=cell_timeout,
                allow_stdin=False,
                output_hook=lambda message, kept=outputs: output_hook(kept, message),
            )
            cell.outputs = [_as_output(o) for o in outputs]
            cell.execution_count = count
            error = next((o for o in outputs if o["output_type"] == "error"), None)
            if error or reply["content"].get("status") != "ok":
                raise CellFailed(_told(title, error))
            tags = cell.metadata.get("tags", [])
            yield CellRun(title, tags[0] if tags else None, outputs, time.monotonic() - started)
    finally:
        kernel.stop()


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write the notebook, readable by its owner only."""
    write_private(path, nbformat.writes(notebook))


def _as_output(raw: dict[str, Any]) -> nbformat.NotebookNode:
    return nbformat.from_dict({key: value for key, value in raw.items() if key != "transient"})


def _told(title: str, error: dict[str, Any] | None) -> str:
    if error is None:
        return f"The cell under '{title}' was aborted."
    value = _ANSI.sub("", str(error.get("evalue", ""))).strip()
    return f"The cell under '{title}' raised {error.get('ename')}: {value}"
