"""Every error that the workbench raises, drawn as one tree.

An error says what went wrong, who must act, and what to try. It is translated once, at a door: the gateway turns it
into an HTTP answer (`wire.envelope`), the client turns that answer back into the same class, the CLI prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Actor = Literal["caller", "admin", "provider"]


class WorkbenchError(Exception):
    """The root of all errors that the workbench raises on purpose."""

    code: ClassVar[str] = "internal_error"
    """Stable word for programs; a single error may carry a finer one in `error_code`."""
    status: ClassVar[int] = 500
    """HTTP status that the gateway answers with."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later, unchanged."""
    actor: ClassVar[Actor] = "admin"
    """Who must act to mend it."""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.error_code = code or type(self).code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


# -- the user's own side: settings, arguments, files --------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration."""

    where: str
    """File and dotted key, for example `workbench.toml: providers.openai.kind`."""
    found: str
    """What stands there."""
    expected: str
    """What would be right."""

    def __str__(self) -> str:
        return f"{self.where}: {self.found}; {self.expected}"


class SettingsError(WorkbenchError):
    """The configuration is wrong; `problems` lists everything that is, not only the first."""

    code, status = "invalid_settings", 500

    def __init__(self, problems: list[Problem], *, hint: str | None = None) -> None:
        count = len(problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n".join([f"{head} in the configuration:", *(f"  {p}" for p in problems)]), hint=hint)
        self.problems = problems


class InvalidInput(WorkbenchError):
    """What the caller sent or passed can't be used as it is."""

    code, status, actor = "invalid_request", 400, "caller"

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.param = param


class PayloadTooLarge(InvalidInput):
    """The request body is over `[gateway] max_body_bytes`."""

    code, status = "payload_too_large", 413


class UnsupportedMedia(InvalidInput):
    """The request body has a content type that the path does not take."""

    code, status = "unsupported_media_type", 415


class MissingComponent(WorkbenchError):
    """An optional package, program or model file is not there; the hint is the command that gets it."""

    code, status, actor = "missing_component", 500, "caller"


# -- rights ------------------------------------------------------------------------------------------------------


class AuthenticationFailed(WorkbenchError):
    """No key, or one that is not good: code `missing_key`, `invalid_key`, `expired` or `revoked`."""

    code, status, actor = "invalid_key", 401, "caller"


class PermissionDenied(WorkbenchError):
    """The key or identity is good but may not do this."""

    code, status, actor = "permission_denied", 403, "caller"


class NotFound(WorkbenchError):
    """The thing that was named does not exist."""

    code, status, actor = "not_found", 404, "caller"


class MethodNotAllowed(WorkbenchError):
    """The path exists and does not take this method."""

    code, status, actor = "method_not_allowed", 405, "caller"


class Conflict(WorkbenchError):
    """The change does not fit what stands already."""

    code, status, actor = "conflict", 409, "caller"


class PriceUnknown(WorkbenchError):
    """A key with a budget asked for what nobody knows the price of."""

    code, status, actor = "price_unknown", 403, "admin"


class BilledLater(PriceUnknown):
    """A key with a budget asked for work that is billed when it ends, so that no cap could hold."""

    code = "billed_later"


class LimitExceeded(WorkbenchError):
    """A limit or a budget is used up; `retry_after` tells the seconds to wait, if waiting helps."""

    code, status, retryable = "rate_limit_exceeded", 429, True
    actor: ClassVar[Actor] = "caller"

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class QueueRefused(LimitExceeded):
    """A deployment is short: the queue for it is full (code `queue_full`), or took too long (`queue_timeout`)."""

    code = "queue_full"


class BudgetExhausted(LimitExceeded):
    """A key's money does not reach for the call: code `budget_exhausted`, or `budget_overrun` where it was stopped."""

    code = "budget_exhausted"
    actor: ClassVar[Actor] = "admin"


# -- the gateway and what stands behind it ---------------------------------------------------------------------------


class Unavailable(WorkbenchError):
    """A part of the workbench itself is not ready; the call was not made."""

    code, status, retryable = "unavailable", 503, True


class WeightsMissing(Unavailable):
    """An embedded model has no weights on this machine; the hint is the command that gets them."""

    code, retryable, actor = "weights_missing", False, "caller"


class GatewayUnreachable(Unavailable):
    """The client found no gateway, or the one it knew does not answer."""

    code, actor = "gateway_unreachable", "caller"


class ProviderError(WorkbenchError):
    """A provider failed or answered what can't be used; the message names it."""

    code, status, retryable = "provider_error", 502, True
    actor: ClassVar[Actor] = "provider"


class ProviderUnavailable(ProviderError):
    """A provider refuses connections or says that it is overloaded; `retry_after` is what it said, in seconds."""

    code, status = "provider_unavailable", 503

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class ProviderTimeout(ProviderError):
    """A provider did not answer within `[gateway] timeouts`."""

    code, status = "provider_timeout", 504


class ProviderCredential(ProviderError):
    """A provider refused the gateway's own credential: the admin must mend it, not the caller."""

    code, retryable, actor = "provider_credential", False, "admin"


class ProviderLimit(LimitExceeded):
    """A provider's own limit is used up, not one of the gateway's; `retry_after` is what the provider said."""

    code, actor = "provider_rate_limit", "provider"


class StreamCut(ProviderError):
    """A stream ended without its terminal event; what came before it is not a whole answer."""

    code = "stream_cut"


# -- experiments, prompts, retrieval ---------------------------------------------------------------------------------


class TrackingError(WorkbenchError):
    """MLflow's store can't be read or written."""

    code, status, retryable = "tracking_error", 503, True


class PromotionRefused(WorkbenchError):
    """The gate did not let a prompt version pass; the message tells the figures."""

    code, status, actor = "promotion_refused", 409, "caller"


class IntegrityError(WorkbenchError):
    """Stored data is not what was written: a hash, a checksum or a chain does not fit."""

    code, status = "integrity_error", 500
