"""What a key may do at this gateway, whatever it asks for."""

from __future__ import annotations

from workbench.errors import PermissionDenied
from workbench.gateway.access.keys import Key
from workbench.settings import GatewaySettings


def check_rights(key: Key, settings: GatewaySettings, *, path: str) -> None:
    """Raise PermissionDenied for a key of another stage, or one that may not call a path."""
    if key.kind == "exploration" and settings.stage == "production":
        other = f" at {settings.other_stage_url}" if settings.other_stage_url else ""
        other = f" at {settings.other_stage_url}" if settings.other_stage_url else ""
        raise PermissionDenied(
            "An exploration key works at the staging gateway only; this one serves production.",
            hint=f"Use the staging gateway{other}, or the production key of a use case.",
            code="wrong_stage",
        )
    if not key.scopes.allow_path(path):
        raise PermissionDenied(f"Key {key.id} may not call {path[:200]}.", hint="`/me` tells what it may use.")
