"""Draining by itself: what applications say stands in MLflow seconds later, as long as a process with this runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.client.feedback_desk import FeedbackDesk
from workbench.client.find import find_identity
from workbench.errors import GatewayUnreachable, WorkbenchError
from workbench.feedback.drain import Drained, drain
from workbench.feedback.items import draw
from workbench.feedback.work_list import work_list
from workbench.services.embedded import running_gateway
from workbench.settings import mounted_environment

if TYPE_CHECKING:
    from workbench.settings import Settings

EVERY_SECONDS = 5.0
_log = logging.getLogger(__name__)


def drain_own(settings: Settings, *, stopped: Callable[[], bool] = lambda: False) -> Drained:
    """Drain the gateway that is found: the home's own, else the one of the environment, as who this process is.

    It ends between two rows once `stopped` says so.
    Raises GatewayUnreachable where there is none, AuthenticationFailed where it is not told who asks.
    """
    own = running_gateway(settings.home)
    tracker = tracking.connect(settings)
    if own is not None:
        # Its port changes from start to start, and its rows are this home's.
        name = f"embedded {draw(work_list(settings.home).secret(), 'gateway').hex()[:12]}"
        return drain(FeedbackDesk(own.url, own.owner_token), name=name, stopped=stopped, tracker=tracker)
    url = mounted_environment().gateway_url
    if url is None:
        raise GatewayUnreachable("No gateway was found.", hint="`workbench up` starts one.")
    return drain(FeedbackDesk(url, find_identity(url)), stopped=stopped, tracker=tracker)


class Draining:
    """A thread that drains every few seconds until it is stopped; what fails is tried again."""

    def __init__(self, settings: Settings, *, every: float = EVERY_SECONDS) -> None:
        self._settings = settings
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workbench-draining", daemon=True)
        self.last_error: WorkbenchError | None = None
        """Why the last try failed; None when it went well."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the row that is being written."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                drain_own(self._settings, stopped=self._stopped.is_set)
                self.last_error = None
            except WorkbenchError as error:
                if self.last_error is None and not isinstance(error, GatewayUnreachable):
                    _log.warning("Feedback of applications is not drained: %s", error)
                self.last_error = error
