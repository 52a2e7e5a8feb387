"""One method of one path as a row, and the document that rows make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Who = Literal["anybody", "a key", "an identity", "a key or an identity", "a reviewer", "an admin"]
Parameter = tuple[str, str, str]
"""Name, place, meaning."""

_ERROR = {
    "description": "What went wrong, who must act, and what to try.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_TEXT = {"type": "string"}
_ERROR_SCHEMA = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param", "request_id"],
            "properties": {
                "message": {**_TEXT, "description": "what is wrong, and what to try"},
                "type": {**_TEXT, "description": "OpenAI's name of such errors"},
                "code": {**_TEXT, "description": "the exact reason, for programs"},
                "param": {"type": ["string", "null"], "description": "the field that is wrong"},
                "request_id": {**_TEXT, "description": "also in the header x-request-id and in the ledger"},
                "actor": {**_TEXT, "description": "who must act: caller, admin or provider"},
            },
        }
    },
}


@dataclass(frozen=True)
class Row:
    """One method of one path."""

    method: str
    path: str
    summary: str
    answers: dict[int, str]
    """What each status means."""
    parameters: tuple[Parameter, ...] = ()
    body: type[msgspec.Struct] | None = None
    """What reads the body."""
    like: str = ""
    """Whose reference describes a body that is passed on."""
    who: Who = "a key or an identity"
    """Who may ask."""


def document(title: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the document of some rows."""
    bodies = list(dict.fromkeys(row.body for row in rows if row.body is not None))
    schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(bodies, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        told: dict[str, Any] = {
            "summary": row.summary,
            "tags": [row.who],
            "operationId": _name_of(row),
            "parameters": [
                {"name": name, "in": place, "description": meaning, "required": place == "path", "schema": _TEXT}
                for name, place, meaning in row.parameters
            ],
            "responses": {**{str(status): {"description": text} for status, text in row.answers.items()},
                          "default": _ERROR},
        }  # fmt: skip
        if row.who == "anybody":
            told["security"] = []
        schema = schema_of.get(row.body) if row.body is not None else None
        if row.like:
            schema = {"type": "object", "description": f"as in {row.like}"}
        if schema is not None:
            told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        paths.setdefault(row.path, {})[row.method] = told
    bearer = {"type": "http", "scheme": "bearer", "description": "a gateway key, or the token of an identity"}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": {**components, "Error": _ERROR_SCHEMA}, "securitySchemes": {"bearer": bearer}},
    }


def _name_of(row: Row) -> str:
    parts = [part.strip("{}").replace("-", "_").replace(".", "_") for part in row.path.split("/") if part]
    return "_".join([row.method, *parts])
