"""What all widgets have in common: a live view where there is a kernel, and a static twin that stays.

The twin is an output of its own: JupyterLab shows nothing else of an output that holds a widget, even without a kernel.
While a live view is on the page, it hides the twin.
"""

from __future__ import annotations

import html
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from workbench.errors import WorkbenchError
from workbench.widgets.panels import error_panel
from workbench.widgets.view import can_be_live, live_view, show

_HEAVY = 300_000
"""Characters of a twin that is too large to be sent again after each turn."""


class Exhibit:
    """Something that a notebook shows; what models and people wrote in it is escaped."""

    def __init__(self) -> None:
        self._twin_id = f"wb-twin-{secrets.token_hex(8)}"
        self._twins: list[Any] = []
        self._live: Any = None
        self._drawing = threading.Lock()  # what was read in the background is drawn from there

    # -- what each kind says

    def _title(self) -> str:
        """Return in a few words what this is."""
        raise NotImplementedError

    def _body(self) -> str:
        """Return the HTML of the live view: buttons with `data-do`, fields with `name`."""
        raise NotImplementedError

    def _static(self) -> str:
        """Return the HTML that stays: no script, no button, nothing that may not be told."""
        raise NotImplementedError

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        """Do what the button says; return what is told of it as HTML. A WorkbenchError changes nothing and is told."""
        raise NotImplementedError

    def _ended(self) -> bool:
        """Whether nothing is left to be done, so that the twin is brought up to date whatever it weighs."""
        return True

    # -- what is shown

    def _repr_html_(self) -> str:
        return f'<div id="{self._twin_id}">{self._static()}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        del include, exclude
        return {**self._view(), **self._bundle()}

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - there is no notebook where it is missing

        self._twins.append(display(self._bundle(), raw=True, display_id=True))
        if view := self._view():
            display(view, raw=True)

    def _bundle(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _view(self) -> dict[str, Any]:
        if not can_be_live():
            return {}
        if self._live is None:
            self._live = live_view(label=self._title(), twin=self._twin_id, body=self._body(), press=self._press)
        data, _ = self._live._repr_mimebundle_()
        return {kind: value for kind, value in data.items() if kind.startswith("application/")}

    # -- what happens

    def _press(self, verb: str, fields: Mapping[str, str]) -> None:
        try:
            said = self._act(verb, fields)
        except WorkbenchError as error:
            show(self._live, status=error_panel(error))
        except Exception as error:  # nobody reads what a callback raises, but a log may
            show(self._live, status=f"<b>{html.escape(type(error).__name__)}:</b> {html.escape(str(error))}")
            raise
        else:
            self._redraw(said)

    def _redraw(self, status: str = "") -> None:
        """Show what is now; a heavy twin follows at the end alone."""
        with self._drawing:
            if self._live is not None:
                show(self._live, status=status, body=self._body())
            bundle = self._bundle() if self._twins else {}
            if self._ended() or len(bundle.get("text/html", "")) < _HEAVY:
                for twin in self._twins:
                    twin.update(bundle, raw=True)
