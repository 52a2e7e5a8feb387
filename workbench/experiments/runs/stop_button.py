"""A button below a running cell that ends the experiment and keeps what is done, where the notebook can show one.

Presses arrive while the cell runs in front ends that send them by a subshell (JupyterLab since 4.4, with ipykernel 7);
elsewhere the kernel's own interrupt does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any


class StopButton:
    """The button, for as long as the block runs."""

    def __init__(self, press: Callable[[], None], *, shown: bool) -> None:
        self._button: Any = _made(press) if shown and _in_notebook() else None

    def __enter__(self) -> StopButton:
        if self._button is not None:
            from IPython.display import display  # noqa: PLC0415 - only within IPython

            display(self._button)
            # ipykernel 7.4 routes what is pressed to the shell that showed the button, which is busy with the cell;
            # without this mark it goes where the front end sends it.
            vars(self._button.comm).pop("_reply_subshell_id", None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._button is not None:
            self._button.close()


def _in_notebook() -> bool:
    if "IPython" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - it is loaded already

    return hasattr(get_ipython(), "kernel")


def _made(press: Callable[[], None]) -> Any:
    from ipywidgets import Button  # noqa: PLC0415 - only where a notebook shows it

    button = Button(description="Stop", icon="stop", tooltip="Send nothing more, and keep what is done")

    def pressed(_: Any) -> None:
        button.disabled, button.description = True, "Stopping"
        press()

    button.on_click(pressed)
    return button
