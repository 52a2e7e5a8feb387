"""Shows once for a home what is found on its machine that the gateway could use.

It looks in a thread when the first cell has ended, so that neither the kernel's start nor the first answer waits, and
shows what it found above the next cell's output.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.interactive.offer import Offer

_log = logging.getLogger(__name__)


class Offering:
    """The offer of one kernel, if there is one."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._found: Offer | None = None
        self._looking: threading.Thread | None = None
        shell.events.register("post_run_cell", self._begin)
        shell.events.register("pre_run_cell", self._show)

    def _begin(self, *_: object) -> None:
        """Look, once."""
        self._shell.events.unregister("post_run_cell", self._begin)
        self._looking = threading.Thread(target=self._look, name="workbench-offer", daemon=True)
        self._looking.start()

    def _look(self) -> None:
        try:
            from workbench.interactive.offer import first_offer  # noqa: PLC0415 - not in the kernel's start

            self._found = first_offer()
        except Exception as error:  # noqa: BLE001 - an offer that can't be made is no trouble of the user's
            _log.debug("what is on this machine was not looked at: %s", error)

    def _show(self, *_: object) -> None:
        """Show what was found, and look no more."""
        if self._looking is None or self._looking.is_alive():
            return
        self._shell.events.unregister("pre_run_cell", self._show)
        if self._found is not None:
            from IPython.display import display  # noqa: PLC0415 - the kernel has loaded it

            self._found.remember()
            display(self._found)
