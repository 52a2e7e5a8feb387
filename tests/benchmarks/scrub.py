"""What the guard adds to the save of a notebook of 10 MB, in CPU time: `python -m tests.benchmarks.scrub`."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_server.services.contents.filemanager import FileContentsManager
from nbformat import v4

from workbench.wire.key_format import new_secret
from workbench_jupyter.scrubbing.notebooks import scrub_notebook
from workbench_jupyter.scrubbing.texts import Scrubber

MEGABYTES = 10
KEYS = [new_secret("wbx-") for _ in range(4)]  # of as many kernels
COLOURED = "\x1b[0;31mValueError\x1b[0m: The quick brown fox jumps over the lazy dog 3.14159, and so on and on.\n"


def notebooks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield notebooks of one kind of output each."""
    picture = base64.b64encode(os.urandom(75_000)).decode()
    numbers = {"x": [place * 0.123456789 for place in range(8000)]}
    kinds = {
        "pictures": v4.new_output("display_data", {"image/png": picture, "text/plain": "<Figure>"}),
        "printed text": v4.new_output("stream", text=["The quick brown fox jumps over the lazy dog 3.14159.\n"] * 1900),
        "coloured text": v4.new_output("error", ename="E", evalue="", traceback=[COLOURED] * 1000),
        "numbers": v4.new_output("display_data", {"application/json": numbers}),
    }
    for name, output in kinds.items():
        cells = [v4.new_code_cell("show()", outputs=[output]) for _ in range(MEGABYTES * 10)]
        yield name, json.loads(nbformat.writes(v4.new_notebook(cells=cells)))


def milliseconds(work: Callable[[], object]) -> float:
    """Return the CPU time of the best of three runs."""
    spent = []
    for _ in range(3):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return min(spent) * 1000


def main() -> None:
    """Print one line for each kind."""
    scrubber = Scrubber(KEYS)
    with TemporaryDirectory() as folder:
        measure(scrubber, FileContentsManager(root_dir=folder))


def measure(scrubber: Scrubber, contents: FileContentsManager) -> None:
    """Save each kind by Jupyter's own manager, and scrub it."""
    for name, content in notebooks():
        size = len(json.dumps(content)) / 1e6
        clean = milliseconds(lambda content=content: scrub_notebook(content, scrubber))  # type: ignore[misc]
        model = {"type": "notebook", "content": content}
        rest = milliseconds(lambda model=model: contents.save(model, "n.ipynb"))  # type: ignore[misc]
        content["cells"][3]["outputs"].append(v4.new_output("stream", text=KEYS[0]))
        before = time.process_time()
        assert scrub_notebook(content, scrubber)
        found = (time.process_time() - before) * 1000
        sys.stdout.write(
            f"{name:14} {size:5.1f} MB: {clean:5.0f} ms without a key, {found:5.0f} ms with one; "
            f"a save {rest:6.0f} ms: {clean / rest:4.0%} on top\n"
        )


if __name__ == "__main__":
    main()
