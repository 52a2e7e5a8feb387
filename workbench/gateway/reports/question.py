"""What is asked of the ledger: which calls, grouped by what. Checked here, so that no text of a caller becomes SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.times import utc_text

COLUMNS = {
    "use_case": "use_case", "user": "owner", "owner": "owner", "key": "key_id", "key_id": "key_id", "model": "model",
    "provider": "provider", "deployment": "deployment", "region": "region", "path": "path", "stage": "stage",
    "outcome": "outcome", "error_code": "error_code", "priority": "priority", "request_id": "request_id",
}  # fmt: skip
"""What calls are grouped and filtered by, and the column that tells it."""
PERIODS = {"month": 7, "day": 10, "hour": 13}
"""Periods to group by, and how much of a time tells them."""
_ASKED = ("group_by", "since", "until", "limit")
_TAG = re.compile(r"tag:([A-Za-z0-9_.\-]{1,64})")
_AGO = re.compile(r"(\d{1,5})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
MOST_ROWS = 100_000
_ROWS = 10_000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question."""

    group_by: tuple[str, ...] = ()
    """Names of COLUMNS and PERIODS, or `tag:NAME`."""
    filters: dict[str, str] = {}
    """Names of COLUMNS or `tag:NAME`, and the value that each must have."""
    since: str | None = None
    """Not before that time, as the ledger writes it."""
    until: str | None = None
    """Before that time."""
    limit: int = _ROWS
    """Most groups in the answer; the dearest come first."""


def question(query: Mapping[str, str], *, now: float, also: Sequence[str] = ()) -> Question:
    """Read a question out of a query; raises InvalidInput. `also` names parameters that are read elsewhere."""
    groups = tuple(name.strip() for name in query.get("group_by", "").split(",") if name.strip())
    for name in groups:
        if not (name in COLUMNS or name in PERIODS or _TAG.fullmatch(name)) or groups.count(name) > 1:
            known = ", ".join([*COLUMNS, *PERIODS, "tag:NAME"])
            raise InvalidInput(f"Usage can't be grouped by {name[:40]!r}.", hint=f"Known: {known}.", param="group_by")
    for name in query:
        if not (name in COLUMNS or name in _ASKED or name in also or _TAG.fullmatch(name)):
            known = ", ".join([*_ASKED, *also, *COLUMNS, "tag:NAME"])
            raise InvalidInput(f"Usage can't be asked for by {name[:40]!r}.", hint=f"Known: {known}.", param=name[:40])
    return Question(
        group_by=groups,
        filters={name: query[name] for name in query if name in COLUMNS or _TAG.fullmatch(name)},
        since=moment(query.get("since"), name="since", now=now),
        until=moment(query.get("until"), name="until", now=now),
        limit=_limit(query.get("limit")),
    )


def moment(text: str | None, *, name: str, now: float) -> str | None:
    """Return a time as the ledger writes it.

    `7d` is so long ago; a date alone is its first moment; a time without a zone is UTC. Raises InvalidInput.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return utc_text(max(0.0, now - int(ago[1]) * _SECONDS[ago[2]]))
        time = datetime.fromisoformat(text.replace(" ", "+"))
        return utc_text(time.replace(tzinfo=time.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"{name} is {text[:40]!r}; expected a time such as 2026-11-22 or 2026-11-22T09:00:00Z, or 7d.", param=name
        ) from error


def expression(name: str) -> str:
    """Return the SQL that tells what a group or filter names."""
    if name in PERIODS:
        return f"substr(time, 1, {PERIODS[name]})"
    tag = _TAG.fullmatch(name)
    return f"json_extract_string(tags, '$.\"{tag[1]}\"')" if tag else COLUMNS[name]


def condition(asked: Question) -> tuple[str, list[Any]]:
    """Return the condition that calls must fulfil, and its values."""
    parts, values = ["true"], []
    for name, value in asked.filters.items():
        parts.append(f"{expression(name)} = ?")
        values.append(value)
    return " AND ".join(parts), values


def _limit(text: str | None) -> int:
    if text is None:
        return _ROWS
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= MOST_ROWS):
        raise InvalidInput(f"limit is {text[:40]!r}; expected 1 to {MOST_ROWS}.", param="limit")
    return int(text)
