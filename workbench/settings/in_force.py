"""The settings that hold, one by one, and where each comes from; no secret is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.settings.table import Table
from workbench.settings.tables import ConfigFile, Settings
from workbench.settings.values import without_password


@dataclass(frozen=True)
class Line:
    """One setting in force."""

    key: str
    """Dotted key."""
    value: Any
    """Its value, as JSON knows it; passwords within URLs are hidden."""
    source: str
    """`default`, `embedded default`, or the file's name."""


def settings_in_force(settings: Settings) -> Iterator[Line]:
    """Yield every setting that has a value, in the order of the table."""
    told = settings.file.name if settings.file else "embedded default"
    for name in ConfigFile.model_fields:
        source = told if name in settings.model_fields_set else "default"
        yield from _lines(name, getattr(settings, name), told=told, source=source)


def _lines(at: str, value: Any, *, told: str, source: str) -> Iterator[Line]:
    if isinstance(value, Table):
        for name, field in type(value).model_fields.items():
            inner = told if source == told and name in value.model_fields_set else "default"
            yield from _lines(f"{at}.{field.alias or name}", getattr(value, name), told=told, source=inner)
    elif isinstance(value, dict):
        for name, inner_value in value.items():
            yield from _lines(f"{at}.{name}", inner_value, told=told, source=source)
    elif isinstance(value, list) and value and isinstance(value[0], Table):
        for index, inner_value in enumerate(value):
            yield from _lines(f"{at}[{index}]", inner_value, told=told, source=source)
    elif value is not None:
        yield Line(at, without_password(value) if isinstance(value, str) else value, source)
