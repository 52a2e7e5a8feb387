"""Every route of the gateway but the providers' own paths: one document, and one page."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from workbench.gateway.openapi import admin, calls, own
from workbench.gateway.openapi.row import Row, document
from workbench.gateway.published import openapi as prompts

_ROOMS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    ("Calls", calls.ROWS),
    ("Prompts and feedback", prompts.ROWS),
    ("One's own keys, calls and use cases", own.ROWS),
    ("Administration", admin.ROWS),
)
ROWS = tuple(row for _, rows in _ROOMS for row in rows)
"""Every route of the gateway but the providers' own paths."""
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font:13px ui-monospace,monospace}summary{cursor:pointer;padding:.25rem 0}"
    "b{display:inline-block;min-width:4rem}dt{font-weight:600}dd{margin:0 0 .5rem 1rem}"
    "@media(prefers-color-scheme:dark){body{background:#16181d;color:#e6e6e6}a{color:#8ab4f8}}"
)

_INTRODUCTION = (
    '<p>The same for programs: <a href="/openapi.json">openapi.json</a>. Send <code>Authorization: Bearer</code> with '
    "a gateway key, or with the token of an identity. Providers' own paths are below <code>/{provider}/</code>.</p>"
)


@cache
def whole() -> dict[str, Any]:
    """Return the document of all routes."""
    return document("Workbench gateway", ROWS)


@cache
def page() -> str:
    """Return the page: the same rows, for people."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Workbench gateway</title>',
        f"<style>{_STYLE}</style><h1>Workbench gateway</h1>",
        _INTRODUCTION,
    ]
    for title, rows in _ROOMS:
        parts.append(f"<h2>{escape(title)}</h2>")
        parts += [_told(row) for row in rows]
    return "".join([*parts, "</html>"])


def _told(row: Row) -> str:
    rows = [(name, f"{place}: {meaning}") for name, place, meaning in row.parameters]
    if row.body is not None:
        rows.append(("body", ", ".join(row.body.__struct_fields__)))
    if row.like:
        rows.append(("body", f"as in {row.like}"))
    rows += [(str(status), meaning) for status, meaning in row.answers.items()]
    listed = "".join(f"<dt><code>{escape(name)}</code></dt><dd>{escape(meaning)}</dd>" for name, meaning in rows)
    head = f"<b>{row.method.upper()}</b> <code>{escape(row.path)}</code> - {escape(row.summary)}"
    return f"<details><summary>{head} <small>({escape(row.who)})</small></summary><dl>{listed}</dl></details>"
