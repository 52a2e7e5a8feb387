"""The kinds of stored objects, and the fields in which one names another: a row a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    name: str
    """As OpenAI's `object` field says it."""
    prefix: str
    """What its ids begin with."""
    path: str
    """Where it stands below a base URL."""
    ends: frozenset[str] = field(default_factory=frozenset)
    """States in which it changes no more; of a kind without states all are."""


FILE = Kind("file", "file-", "files")
BATCH = Kind("batch", "batch_", "batches", frozenset({"completed", "failed", "expired", "cancelled"}))
JOB = Kind("fine_tuning.job", "ftjob-", "fine_tuning/jobs", frozenset({"succeeded", "failed", "cancelled"}))
STORE = Kind("vector_store", "vs_", "vector_stores", frozenset({"never"}))
RESPONSE = Kind("response", "", "responses")
"""Its ids are the provider's own, so that answers pass byte for byte: whose one is stands in the state."""
KINDS = (FILE, BATCH, JOB, STORE)

_NAMED_IN: Mapping[str, Kind] = {
    "file_id": FILE,
    "file_ids": FILE,
    "input_file_id": FILE,
    "output_file_id": FILE,
    "error_file_id": FILE,
    "training_file": FILE,
    "validation_file": FILE,
    "result_files": FILE,
    "vector_store_id": STORE,
    "vector_store_ids": STORE,
    "fine_tuning_job_id": JOB,
    "batch_id": BATCH,
}
"""Fields that hold the id of an object, or a list of them."""
_OBJECTS = {kind.name: kind for kind in KINDS} | {
    "vector_store.file": FILE, "vector_store.deleted": STORE, "vector_store.file.deleted": FILE,
}  # fmt: skip

_OF_CALLERS = frozenset({"metadata", "attributes"})
"""Fields whose inside is the callers'."""
_NOT_OPENED = _OF_CALLERS | {"annotations", "results"}
"""Fields whose inside is text to a provider: of an earlier answer it has the provider's own ids, and may come again."""
_NOT_SEALED = _OF_CALLERS | {"content"}

Rename = Callable[[Kind, str], str]
"""Kind and id of an object -> its id on the other side."""


def check_ids(fields: Mapping[str, Any]) -> None:
    """Check the fields of a request that hold ids; raises InvalidInput for what is neither an id nor a list of them."""
    for name, value in fields.items():
        ids = value if isinstance(value, list) else [value or ""]
        if name in _NAMED_IN and not all(isinstance(one, str) for one in ids):
            raise InvalidInput(f"{name} is no id, nor a list of ids.", hint="Send ids as they were told.", param=name)


def renamed(value: Any, rename: Rename, *, objects: bool = False) -> Any:
    """Return a JSON value with the ids in fields that name objects replaced, at any depth.

    What callers wrote for themselves stays. With `objects`, the value is a provider's answer: the ids of the objects
    themselves are replaced too.
    """
    if isinstance(value, list):
        return [renamed(one, rename, objects=objects) for one in value]
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = {}
    for name, inner in value.items():
        kind = _NAMED_IN.get(name)
        if kind is not None and isinstance(inner, str) and inner:
            fields[name] = rename(kind, inner)
        elif kind is not None and isinstance(inner, list):
            fields[name] = [rename(kind, one) if isinstance(one, str) else one for one in inner]
        elif name in (_NOT_SEALED if objects else _NOT_OPENED):
            fields[name] = inner
        else:
            fields[name] = renamed(inner, rename, objects=objects)
    kind = _OBJECTS.get(str(value.get("object"))) if objects else None
    if kind is not None and isinstance(value.get("id"), str):
        fields["id"] = rename(kind, value["id"])
    return fields
