"""What can be done with stored objects: a row for each path and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.gateway.unified.objects.kinds import BATCH, FILE, JOB, RESPONSE, STORE, Kind


@dataclass(frozen=True, slots=True)
class Action:
    """One path and method."""

    method: str
    """HTTP method."""
    path: str
    """Path at the gateway; `{id}` is an object's."""
    kind: Kind
    """What it is about."""
    does: Literal["upload", "create", "list", "show", "delete", "pass", "download"]
    """`pass`: what is asked and answered goes through, ids aside."""
    query: tuple[str, ...] = ()
    """Parameters that go on to the provider."""
    priced: bool = False
    """Whether work begins that costs money."""

    @property
    def upstream(self) -> str:
        """Path below a provider's base URL."""
        return self.path.removeprefix("/v1/")


_PAGE = ("after", "before", "limit", "order")

ACTIONS = (
    Action("POST", "/v1/files", FILE, "upload"),
    Action("GET", "/v1/files", FILE, "list"),
    Action("GET", "/v1/files/{id}", FILE, "show"),
    Action("DELETE", "/v1/files/{id}", FILE, "delete"),
    Action("GET", "/v1/files/{id}/content", FILE, "download"),
    Action("POST", "/v1/batches", BATCH, "create", priced=True),
    Action("GET", "/v1/batches", BATCH, "list"),
    Action("GET", "/v1/batches/{id}", BATCH, "show"),
    Action("POST", "/v1/batches/{id}/cancel", BATCH, "show"),
    Action("POST", "/v1/fine_tuning/jobs", JOB, "create", priced=True),
    Action("GET", "/v1/fine_tuning/jobs", JOB, "list"),
    Action("GET", "/v1/fine_tuning/jobs/{id}", JOB, "show"),
    Action("POST", "/v1/fine_tuning/jobs/{id}/cancel", JOB, "show"),
    Action("GET", "/v1/fine_tuning/jobs/{id}/events", JOB, "pass", query=_PAGE),
    Action("GET", "/v1/fine_tuning/jobs/{id}/checkpoints", JOB, "pass", query=_PAGE),
    Action("POST", "/v1/vector_stores", STORE, "create"),
    Action("GET", "/v1/vector_stores", STORE, "list"),
    Action("GET", "/v1/vector_stores/{id}", STORE, "show"),
    Action("DELETE", "/v1/vector_stores/{id}", STORE, "delete"),
    Action("POST", "/v1/vector_stores/{id}/files", STORE, "pass"),
    Action("POST", "/v1/vector_stores/{id}/search", STORE, "pass"),
    Action("GET", "/v1/responses/{id}", RESPONSE, "pass", query=("include", "include[]", "stream", "starting_after")),
    Action("DELETE", "/v1/responses/{id}", RESPONSE, "delete"),
    Action("POST", "/v1/responses/{id}/cancel", RESPONSE, "pass"),
    Action("GET", "/v1/responses/{id}/input_items", RESPONSE, "pass", query=(*_PAGE, "include", "include[]")),
)
