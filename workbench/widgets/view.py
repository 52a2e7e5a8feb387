"""The live view: one anywidget for all widgets. Python keeps what is shown, the browser tells what was pressed.

What it holds is saved with a notebook that saves its widgets' state, so nothing but what is shown may stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Press = Callable[[str, Mapping[str, str]], None]
"""What is called with the verb of the button that was pressed and the fields that stand beside it."""

_ROOM = Path(__file__).parent


def can_be_live() -> bool:
    """Whether the package of live views is there."""
    return find_spec("anywidget") is not None


def live_view(*, label: str, twin: str, body: str, press: Press) -> Any:
    """Return the widget of one exhibit; `twin` is the id of the element that it hides while it is shown."""
    view = _kind()(label=label, twin=twin, body=body)

    def hear(_: Any, content: Any, __: Any) -> None:
        # The second half of a double click belongs to a turn that is over.
        if content.get("turn") == view.turn:
            fields = {str(name): str(value) for name, value in content.get("fields", {}).items()}
            press(str(content.get("verb")), fields)

    view.on_msg(hear)
    return view


def show(view: Any, *, status: str, body: str | None = None) -> None:
    """Show the outcome of a turn and begin the next; without `body` all stays, also what was typed."""
    with view.hold_sync():
        if body is not None:
            view.body = body
        view.status = status
        view.turn += 1


@cache
def _kind() -> Any:
    """Return the class of live views: a function's own, as anywidget loads when a notebook first shows one."""
    import anywidget  # noqa: PLC0415 - an extra, and slow to load
    import traitlets  # noqa: PLC0415 - comes with it

    class LiveView(anywidget.AnyWidget):
        _esm = _ROOM / "view.js"
        _css = _ROOM / "view.css"
        label = traitlets.Unicode().tag(sync=True)
        twin = traitlets.Unicode().tag(sync=True)
        body = traitlets.Unicode().tag(sync=True)
        status = traitlets.Unicode().tag(sync=True)
        turn = traitlets.Int().tag(sync=True)

    return LiveView
