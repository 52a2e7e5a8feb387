"""The unified API, as rows: its bodies are OpenAI's, with what the targets can honour."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.gateway.openapi.row import Row
from workbench.gateway.unified.objects.actions import ACTIONS
from workbench.gateway.unified.operations import OPERATIONS, responses

_REFERENCE = "OpenAI's API reference, {}"
_STREAMED = {200: "the answer, or server-sent events with stream = true"}
_VERBS = {
    "upload": "Keep", "create": "Make", "list": "List one's own", "show": "Show", "delete": "Delete",
    "download": "Download", "pass": "Ask about",
}  # fmt: skip


def _objects() -> Iterator[Row]:
    for action in ACTIONS:
        last = action.path.rpartition("/")[2]
        what = action.path.removeprefix("/v1/").replace("_", " ").replace("/{id}", "").replace("/", ", ")
        verb = "Cancel" if last == "cancel" else "Search" if last == "search" else _VERBS[action.does]
        posts = action.method == "POST" and last != "cancel"
        yield Row(
            action.method.lower(), action.path, f"{verb}: {what.removesuffix(', cancel').removesuffix(', search')}.",
            {200: "as OpenAI tells it", 404: "there is none of one's own"},
            (*((("id", "path", "as it was told"),) if "{id}" in action.path else ()),
             *((name, "query", "passed on") for name in action.query)),
            like=_REFERENCE.format(what) if posts else "", who="a key",
        )  # fmt: skip


ROWS = (
    *(
        Row("post", one.path, f"Call a model for {one.task}.", _STREAMED,
            like=_REFERENCE.format(one.path.removeprefix("/v1/")), who="a key")
        for one in OPERATIONS
    ),
    Row("post", responses.PATH, "Call a model by the responses API.", _STREAMED, like=_REFERENCE.format("responses"),
        who="a key"),
    Row("get", "/v1/models", "List the models that the caller may use, with prices, limits and latencies.",
        {200: "data: the models"}),
    Row("get", "/v1/models/{name}", "Show a model.", {200: "the model"},
        (("name", "path", "name of the model; it may hold / and :"),)),
    *_objects(),
)  # fmt: skip
