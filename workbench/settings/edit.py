"""Change a configuration file: comments stay; the new text is checked as a whole before it replaces the old one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, InlineTable
from tomlkit.items import Table as TomlTable

from workbench.errors import Conflict, SettingsError
from workbench.settings.document import starting_file
from workbench.settings.load import parse_settings
from workbench.settings.tables import Settings


def add_provider(
    path: Path,
    name: str,
    provider: Mapping[str, Any],
    *,
    models: Sequence[Mapping[str, Any]] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Put a provider and its models into a file, which is made with the embedded models if it is not there.

    Raises Conflict where the provider is there already, and SettingsError, with the file as it was, where the result
    would not be right.
    """
    text = path.read_text("utf-8") if path.exists() else starting_file()
    if path.exists():
        parse_settings(text, file=path, environ=environ)  # tells what was wrong before we came
    document = tomlkit.parse(text)
    providers = document.setdefault("providers", tomlkit.table(is_super_table=True))
    if name in providers:
        raise Conflict(f"{path} has a provider {name!r} already.", hint="Choose another name, or edit the file.")
    # What is written inline goes on inline: TOML knows no table within an inline one.
    providers[name] = _inline(provider) if isinstance(providers, InlineTable) else _table(provider)
    array: Any = document.get("models")
    if models and not array:
        array = document["models"] = tomlkit.aot()
    for model in models:
        array.append(_model(model) if isinstance(array, AoT) else _inline(model))
    changed = document.as_string()
    try:
        settings = parse_settings(changed, file=path, environ=environ)
    except SettingsError as error:
        raise SettingsError(error.problems, hint="Mend that and add it again; nothing was written.") from error
    replace_text(path, changed)
    return settings


def replace_text(path: Path, text: str) -> None:
    """Write a file, all of it or nothing; one that was there keeps its rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            draft.chmod(path.stat().st_mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _table(values: Mapping[str, Any]) -> TomlTable:
    table = tomlkit.table()
    table.trivia.indent = "\n"  # an empty line before its head
    for key, value in values.items():
        table[key] = _inline(value)
    return table


def _model(model: Mapping[str, Any]) -> TomlTable:
    table = _table({key: value for key, value in model.items() if key != "deployments"})
    deployments = tomlkit.aot()
    for deployment in model["deployments"]:
        deployments.append(_table(deployment))
    table["deployments"] = deployments
    return table


def _inline(value: Any) -> Any:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: _inline(inner) for key, inner in value.items()})
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend(_inline(inner) for inner in value)
        return array
    return value
