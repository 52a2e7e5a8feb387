"""Where Vertex AI answers: a model's method in a project and a location."""

from __future__ import annotations

from yarl import URL

from workbench.gateway.providers.translation import Asking

_PLACE = "v1/projects/{project}/locations/{location}/"


def place(asking: Asking, publisher: str, method: str) -> URL:
    """Return the URL of a model's method; a model of one's own is named `endpoints/ID`."""
    settings = asking.settings
    where = {"project": settings.project or "", "location": settings.location or ""}
    if asking.model.startswith("endpoints/"):
        return asking.url(_PLACE + "endpoints/{id}:" + method, id=asking.model.removeprefix("endpoints/"), **where)
    path = _PLACE + f"publishers/{publisher}/models/{{model}}:{method}"
    return asking.url(path, model=asking.model, **where)
