"""MLflow's search language, in which a quoted value can hold one kind of quote but escape none."""

from __future__ import annotations

from workbench.errors import InvalidInput


def quoted(value: str) -> str:
    """Return a value as it stands in a query; raises InvalidInput for one that has both kinds of quotes."""
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    raise InvalidInput(f"MLflow can't search for {value!r}: it has both kinds of quotes.")
