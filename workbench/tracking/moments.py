"""Moments: MLflow counts milliseconds since 1970, we speak of UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(milliseconds: int | None) -> datetime | None:
    """Return a count of milliseconds as a moment."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as a count of milliseconds; one without a time zone is taken as local."""
    return None if moment is None else round(moment.timestamp() * 1000)
