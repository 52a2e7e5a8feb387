"""Where Vertex AI answers: a model's method in a project and a location."""

from __future__ import annotations

from yarl import URL

from workbench.gateway.providers.translation import Asking

_PLACE = "v1/projects/{project}/locations/{location}/"


def place(asking: Asking, publisher: str, method: str) -> URL:
    """Return the URL of a model's method; a model of one's own is named `endpoints/ID`."""
    where = _where(asking)
    if asking.model.startswith("endpoints/"):
        return asking.url(_PLACE + "endpoints/{id}:" + method, id=asking.model.removeprefix("endpoints/"), **where)
    path = _PLACE + f"publishers/{publisher}/models/{{model}}:{method}"
    return asking.url(path, model=asking.model, **where)


def open_models(asking: Asking, operation: str) -> URL:
    """Return the URL where models of other makers answer in OpenAI's protocol."""
    return asking.url(_PLACE + "endpoints/openapi/" + operation, **_where(asking))


def _where(asking: Asking) -> dict[str, str]:
    return {"project": asking.settings.project or "", "location": asking.settings.location or ""}
