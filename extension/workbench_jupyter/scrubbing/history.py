"""IPython's history holds no key: one that was typed into a cell is neither kept in `history.sqlite` nor in `In`."""

from __future__ import annotations

import sys
from typing import Any

from workbench_jupyter.scrubbing.texts import Scrubber

_TOLD = (
    "workbench: This cell holds a gateway key. One is mounted, so none has to stand in a notebook: leave it out. "
    "A saved notebook and the history get a mark in its place.\n"
)


def guard_history(shell: Any) -> None:
    """Stand before a shell's history; the cell itself runs as it was written."""
    history, scrubber = shell.history_manager, Scrubber()
    if history is None:
        return
    store_inputs, store_output = history.store_inputs, history.store_output

    def inputs(line: int, source: str, source_raw: str | None = None) -> None:
        raw = source if source_raw is None else source_raw
        kept = scrubber.scrub_source(raw)
        if kept != raw:
            sys.stderr.write(_TOLD)
            sys.stderr.flush()  # it stands above what the cell prints
        store_inputs(line, scrubber.scrub_source(source), kept)

    def output(line: int) -> None:
        if isinstance(shown := history.output_hist_reprs.get(line), str):
            history.output_hist_reprs[line] = scrubber.scrub(shown)
        store_output(line)

    history.store_inputs, history.store_output = inputs, output
