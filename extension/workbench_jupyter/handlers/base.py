"""What all handlers share: who may ask, the parts they ask of, and one shape for every error."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from workbench.errors import MethodNotAllowed, PermissionDenied, WorkbenchError
from workbench_jupyter.status import Status, problem

if TYPE_CHECKING:
    from workbench_jupyter.mounts import Mounts
    from workbench_jupyter.questions import Questions
    from workbench_jupyter.server_key import ServerKey
    from workbench_jupyter.upstream import Upstream

RESOURCE = "workbench"
"""What Jupyter's authorizer is asked about: `read` for figures, `execute` for what spends, `write` for keys."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What the handlers ask of."""

    status: Status
    """How the gateway and the kernels' keys are."""
    mounts: Mounts
    """The kernels' keys."""
    questions: Questions
    """What the gateway tells of models, prompts, usage and calls."""
    key: ServerKey
    """The server's own key."""
    upstream: Upstream
    """The connections to the gateway."""
    max_body_bytes: int
    """The largest body that is passed on."""


class WorkbenchHandler(APIHandler):  # type: ignore[misc]  # jupyter_server has no types
    """Answers in JSON; Jupyter's own identity, XSRF and Origin checks stand before every method."""

    auth_resource = RESOURCE
    _foreign = False

    def initialize(self, parts: Parts) -> None:
        """Take what there is to ask of."""
        self.parts = parts

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Do as Jupyter does, and remember it for the words of the refusal."""
        welcome = bool(super().check_origin(origin_to_satisfy_tornado))
        self._foreign = not welcome
        return welcome

    def tell(self, told: Any) -> None:
        """Answer with JSON that nobody keeps."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(told))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with what went wrong, in one shape."""
        error = self.error_of(status_code, (kwargs.get("exc_info") or (None, None))[1])
        self.set_status(error.status)
        self.finish(json.dumps(self.body_of(error)))

    def body_of(self, error: WorkbenchError) -> dict[str, Any]:
        """Return the JSON of an error."""
        return problem(error)

    def error_of(self, status: int, raised: BaseException | None) -> WorkbenchError:
        """Return what Jupyter, tornado or a verb refused with, as one of ours."""
        if isinstance(raised, WorkbenchError):
            return raised
        if isinstance(raised, HTTPError):
            told = str(raised.log_message or responses.get(status, "Refused")).rstrip(".") + "."
            return self._stranger() or self._refusal(status, told)
        return WorkbenchError("The Jupyter server failed on this request.", hint="See the Jupyter server's log.")

    def _stranger(self) -> WorkbenchError | None:
        if self._foreign:
            return PermissionDenied(
                "A page of another origin may not ask this Jupyter server.",
                hint="Open the server's own page; ServerApp.allow_origin names other origins that may.",
                code="origin_not_allowed",
            )
        if not self.current_user:
            return PermissionDenied(
                "This Jupyter server does not know who asks.", hint="Sign in to it, or send its token.", code="no_user"
            )
        return None

    def _refusal(self, status: int, told: str) -> WorkbenchError:
        if status == 403:
            hint = "Send the cookie _xsrf in the header X-XSRFToken." if "xsrf" in told.lower() else None
            return PermissionDenied(told, hint=hint, code="xsrf" if hint else None)
        if status == 405:
            return MethodNotAllowed(f"{self.request.path} does not take {self.request.method}.")
        return _Refused(status, told)

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Tell of what was refused on purpose in a line, and of anything else as tornado does."""
        if isinstance(value, WorkbenchError):
            _log.info("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(kind, value, trace)


class _Refused(WorkbenchError):
    """Any other refusal of Jupyter's or tornado's, with its own status."""

    code, actor = "refused", "caller"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]  # told by who refused
