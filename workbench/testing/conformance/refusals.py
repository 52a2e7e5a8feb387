"""Cases that reach no provider: what the gateway refuses, and how it says so."""

from __future__ import annotations

from workbench.client import Gateway
from workbench.errors import AuthenticationFailed, NotFound, PermissionDenied
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed

_NO_KEY = "wbx-this-key-was-never-issued"


def bad_key(gateway: Gateway, subject: Subject) -> str:
    """Check that a key that was never issued is a 401."""
    with Gateway(url=gateway.url, key=_NO_KEY, max_retries=0) as stranger:
        try:
            stranger.chat("hello", model=subject.model)
        except AuthenticationFailed as error:
            return str(error)[:80]
    raise Failed("a key that was never issued was taken")


def unknown_model(gateway: Gateway, subject: Subject) -> str:
    """Check that a model that does not exist is a 404, or a 403 where the key may not even ask."""
    try:
        gateway.chat("hello", model=f"{subject.model}-that-does-not-exist")
    except (NotFound, PermissionDenied) as error:
        return str(error)[:80]
    raise Failed("a model that does not exist answered")


REFUSALS = (
    Case("bad key", "*", bad_key, calls=0),
    Case("unknown model", "*", unknown_model, calls=0),
)
