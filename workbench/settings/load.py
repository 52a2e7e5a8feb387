"""The door: find the configuration file, read it, check it as a whole."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import Problem, SettingsError
from workbench.settings.environment import home_folder
from workbench.settings.problems import find_problems
from workbench.settings.tables import CONFIG_NAME, Settings, embedded_default


def config_path(named: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration file in force, or None.

    The first of: `named` (`--config`), `$WORKBENCH_CONFIG`, `./workbench.toml`, `$WORKBENCH_HOME/workbench.toml`.
    The first two are returned whether or not they exist: a file that was asked for is never passed over.
    """
    environ = os.environ if environ is None else environ
    asked = named or (Path(environ["WORKBENCH_CONFIG"]) if environ.get("WORKBENCH_CONFIG") else None)
    if asked is not None:
        return asked.expanduser().resolve()
    found = (Path.cwd() / CONFIG_NAME, home_folder(environ) / CONFIG_NAME)
    return next((path for path in found if path.is_file()), None)


def load_settings(
    named: Path | None = None,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
    credentials: bool = True,
) -> Settings:
    """Read and check the whole configuration; `home` counts before `$WORKBENCH_HOME`.

    Raises SettingsError, which lists every problem: unknown keys, wrong types, models that name no provider,
    credentials that are missing. `credentials=False` leaves the last out, for a process that calls no provider.
    """
    environ = dict(os.environ if environ is None else environ)
    if home is not None:
        environ["WORKBENCH_HOME"] = str(home)
    path = config_path(named, environ)
    if path is None:
        return _checked(embedded_default(), None, environ, credentials=credentials)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError([Problem(_place(path), f"not UTF-8: {error}", "expected a TOML document")]) from error
    except OSError as error:
        raise SettingsError(
            [Problem(_place(path), error.strerror or "can't be read", "expected a readable TOML file")],
            hint="`workbench config init` writes one.",
        ) from error
    return parse_settings(text, file=path, environ=environ, credentials=credentials)


def parse_settings(
    text: str, *, file: Path, environ: Mapping[str, str] | None = None, credentials: bool = True
) -> Settings:
    """Check a text as if `file` held it; raises SettingsError as `load_settings` does."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Problem(_place(file), f"not TOML: {error}", "expected a TOML document")]) from error
    return _checked(tables, file, os.environ if environ is None else environ, credentials=credentials)


def _checked(tables: dict[str, Any], file: Path | None, environ: Mapping[str, str], *, credentials: bool) -> Settings:
    home = home_folder(environ)
    place = "the embedded default" if file is None else _place(file)
    parsed, problems = find_problems(
        tables, place=place, folder=file.parent if file else home, environ=environ, credentials=credentials
    )
    if problems or parsed is None:
        raise SettingsError(problems)
    return Settings.model_construct(parsed.model_fields_set, **dict(parsed), home=home, file=file)


def _place(path: Path) -> str:
    """Name a file as its reader would: from the current folder if it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
