"""The OpenAI error envelope: how a `WorkbenchError` crosses the wire and comes back as the class it was."""

from __future__ import annotations

from typing import Any

from workbench import errors
from workbench.errors import WorkbenchError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(error: WorkbenchError, *, request_id: str | None = None) -> dict[str, Any]:
    """Return `{"error": {...}}` for an error: OpenAI's four fields, and who must act."""
    return {
        "error": {
            "message": str(error),
            "type": _TYPES.get(error.status, "api_error"),
            "param": getattr(error, "param", None),
            "code": error.error_code,
            "actor": error.actor,
            "request_id": request_id,
        }
    }


def _classes(root: type[WorkbenchError]) -> list[type[WorkbenchError]]:
    return [root, *(c for child in root.__subclasses__() for c in _classes(child))]


def error_from_body(status: int | None, body: object) -> WorkbenchError:
    """Return the error that the gateway meant by an HTTP answer; any JSON or text body is taken.

    The class follows the code where one class owns it, else the status. An error within a stream has no status.
    """
    fields = body.get("error", body) if isinstance(body, dict) else {"message": str(body)}
    if not isinstance(fields, dict):
        fields = {"message": str(fields)}
    message = str(fields.get("message") or f"The gateway answered {status or 'an error'}.")
    code = fields.get("code")
    # SettingsError speaks of a file on the gateway's side and takes a list: it never crosses the wire as itself.
    known = [c for c in _classes(WorkbenchError) if c is not errors.SettingsError]
    by_code = next((c for c in known if c.code == code and status in (None, c.status)), None)
    other = errors.ProviderError if status is None else WorkbenchError
    # 500 says nothing of what went wrong: it stays the root, whatever classes carry it.
    by_status = next((c for c in known if c.status == status and status != WorkbenchError.status), other)
    error = (by_code or by_status)(message, code=code if isinstance(code, str) else None)
    if isinstance(error, errors.InvalidInput):
        error.param = fields.get("param")
    return error
