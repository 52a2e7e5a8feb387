"""Whose project a Vertex path names: the configured one, and no other."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import PermissionDenied
from workbench.settings import ProviderSettings


def check_place(provider: str, settings: ProviderSettings, names: Mapping[str, str]) -> None:
    """Raise PermissionDenied where a path names another project or location than the provider's."""
    if "project" not in names:
        return
    if (names["project"], names["location"]) != (settings.project, settings.location):
        raise PermissionDenied(
            f"Provider {provider!r} serves project {settings.project!r} in {settings.location!r}, and no other.",
            hint=f"Make the client with project={settings.project!r} and location={settings.location!r}.",
            code="other_project",
        )


def completed(settings: ProviderSettings, path: str) -> str:
    """Return a path with the project that express mode leaves to the key: here the key is the gateway's."""
    version, slash, rest = path[1:].partition("/")
    if not rest.startswith("publishers/") or ":" not in rest:
        return path
    return f"/{version}/projects/{settings.project}/locations/{settings.location}{slash}{rest}"


def place_in(model: str) -> dict[str, str]:
    """Return project and location of a model's full name, empty where it has none."""
    parts = model.split("/")
    return dict(zip(("project", "location"), parts[1:4:2], strict=False)) if parts[0] == "projects" else {}
