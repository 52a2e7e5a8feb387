"""The settings written out of their own table: as documentation, and as a file to start from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from workbench.settings.credential import Credential
from workbench.settings.price import DatedPrice
from workbench.settings.table import Table
from workbench.settings.tables import (
    ConfigFile,
    DeploymentSettings,
    ModelSettings,
    ProviderSettings,
    embedded_default,
)


@dataclass(frozen=True)
class Row:
    """One setting."""

    key: str
    """Dotted key; `<name>` and `[]` stand for what the user names and counts."""
    values: str
    """What it may be."""
    default: str
    """Its default as TOML; empty if there is none."""
    help: str
    """What it is."""


def rows(table: type[Table] = ConfigFile, *, at: str = "") -> Iterator[Row]:
    """Yield every setting, in the order of the table."""
    for name, field in keys_of(table):
        inner, suffix = _inner_table(field.annotation)
        if inner is not None:
            yield from rows(inner, at=f"{at}{name}{suffix}.")
        else:
            default = "" if field.is_required() or field.default is None else toml_value(field.default)
            yield Row(f"{at}{name}", _values(field.annotation), default, field.description or "")


def keys_of(table: type[Table]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the keys of a table as the file writes them; `from` is no name that Python takes."""
    yield from ((field.alias or name, field) for name, field in table.model_fields.items())


def markdown_table() -> str:
    """Return all settings as a Markdown table."""
    lines = ["| setting | values | default | what it is |", "|---|---|---|---|"]
    for row in rows():
        values, default = (f"`{text}`" if text else "" for text in (row.values.replace("|", "\\|"), row.default))
        lines.append(f"| `{row.key}` | {values} | {default} | {row.help} |")
    return "\n".join(lines) + "\n"


def starting_file() -> str:
    """Return a file that says what holds without one: defaults as comments, the embedded models written out."""
    lines = [
        "# Settings of the GenAI workbench. What stands behind a # is the default, or an example.",
        "# `workbench config check` tells what is wrong, `workbench config show` what is in force.",
    ]
    for name, field in ConfigFile.model_fields.items():
        inner, suffix = _inner_table(field.annotation)
        if inner is not None and not suffix:
            lines += _section(name, inner)
    default = embedded_default()
    lines += ["", "# Providers, and the models that they serve."]
    lines += _written("providers.local", default["providers"]["local"])
    for model in default["models"]:
        deployments = model.pop("deployments")
        lines += _written("models", model, array=True)
        for deployment in deployments:
            lines += _written("models.deployments", deployment, array=True)
    lines += [
        "",
        "# Your own provider stands beside them; `workbench config add provider NAME` writes the like of this:",
    ]
    lines += _example("[providers.openai]", ProviderSettings)
    lines += _example("[[models]]", ModelSettings)
    lines += _example("[[models.deployments]]", DeploymentSettings)
    lines += ["", "# A price that changes has its day.", *_example("[[prices]]", DatedPrice)]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a setting's value as TOML writes it."""
    if isinstance(value, Table):
        value = value.model_dump(exclude_none=True, by_alias=True)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml_value(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


# -- the file ------------------------------------------------------------------------------------------------------


def _section(at: str, table: type[Table], *, example: bool = False) -> list[str]:
    here, below = [], []
    for name, field in table.model_fields.items():
        inner, suffix = _inner_table(field.annotation)
        if inner is not None and suffix == ".<name>":  # a name is the user's to give
            section = _section(f"{at}.{name}.example", inner, example=True)
            below += [f"# {line}" if line.startswith("[") else line for line in section]
        elif inner is Credential:
            continue  # where a secret is kept is the user's to say
        elif inner is not None and suffix == "[]":  # of so many as are wished
            below += ["", *_example(f"[[{at}.{name}]]", inner)]
        elif inner is not None and field.default is None:  # a table that may be left out
            below += ["", *_example(f"[{at}.{name}]", inner)]
        elif inner is not None:
            below += _section(f"{at}.{name}", inner)
        elif example and field.examples:
            here.append(f"# {name} = {toml_value(field.examples[0])}  # {field.description}")
        elif field.default is not None:
            here.append(f"# {name} = {toml_value(field.default)}  # {field.description}")
    head = [f"# {(table.__doc__ or '').strip().splitlines()[0]}", f"[{at}]"]
    return ["", *head, *here, *below] if here else below


def _written(at: str, values: dict[str, Any], *, array: bool = False) -> list[str]:
    head = f"[[{at}]]" if array else f"[{at}]"
    return ["", head, *(f"{k} = {toml_value(v)}" for k, v in values.items())]


def _example(head: str, table: type[Table]) -> list[str]:
    lines = [f"# {head}"]
    for name, field in keys_of(table):
        if (value := _example_value(field)) is not None:
            lines.append(f"# {name} = {toml_value(value)}  # {field.description}")
    return lines


def _example_value(field: FieldInfo) -> Any:
    """Return the example of a field, of the first field of its table, or its default; None where it goes without."""
    if field.examples:
        return field.examples[0]
    inner, suffix = _inner_table(field.annotation)
    if inner is None:
        return None if field.is_required() else field.default
    if suffix:
        return None
    examples = {name: below.examples[0] for name, below in keys_of(inner) if below.examples}
    # A credential is one reference, so only its first form is shown.
    return dict(list(examples.items())[:1]) if "env" in examples else examples


# -- types ---------------------------------------------------------------------------------------------------------


def _inner_table(annotation: Any) -> tuple[type[Table] | None, str]:
    """Return the table that a field holds, and how its key goes on: by name, by count, or at once."""
    annotation = _without_none(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation, ""
    suffix = {dict: ".<name>", list: "[]"}.get(get_origin(annotation))
    if suffix is not None:
        inner, _ = _inner_table(get_args(annotation)[-1])
        return inner, suffix
    return None, ""


def _without_none(annotation: Any) -> Any:
    arguments = get_args(annotation)
    return arguments[0] if len(arguments) == 2 and arguments[1] is NoneType else annotation


def _values(annotation: Any) -> str:
    annotation = _without_none(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0])
    if origin is Literal:
        return " | ".join(map(toml_value, arguments))
    if origin is dict:
        return f"{{ <name> = {_values(arguments[1])}, ... }}"
    if origin is list:
        return f"[{_values(arguments[0])}, ...]"
    return {str: "text", int: "whole number", float: "number", bool: "true | false", date: "day"}[annotation]
