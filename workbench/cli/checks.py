"""What the doctor looks at: each check is quick, changes nothing that stays, and loads nothing heavy."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from workbench.errors import SettingsError, WorkbenchError
from workbench.settings import Settings, home_folder, load_settings

_DISTRIBUTION = "genai-workbench"
_INSTALL = "pip install -c constraints.txt '.[all]'"
_NEEDED_EXTRAS = ("local", "jupyter", "tracking", "rag")
_FREE_BYTES = 2 * 1024**3
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    what: str
    """The thing that was looked at."""
    ok: bool
    """Whether it is as it should be."""
    found: str
    """What was found."""
    mend: str = ""
    """The command that mends it."""
    needed: bool = True
    """Whether the demo needs it."""


def all_checks(config: Path | None, *, start: bool) -> Iterator[Finding]:
    """Yield each finding as soon as it is there."""
    yield python()
    yield from packages()
    home = home_folder()
    yield writable(home)
    yield space(home)
    yield from models(home)
    try:
        settings = load_settings(config)
    except SettingsError as error:
        yield Finding("configuration", False, error.message, "workbench config check, after mending what it tells")
        return
    yield Finding("configuration", True, str(settings.file or "the embedded default"))
    yield gateway(settings, config, start=start)
    yield tracking_store(settings)
    yield from jupyter()
    yield browser()


def python() -> Finding:
    """Look at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "python", sys.version_info >= (3, 11), f"{version} at {sys.executable}", "install Python 3.11 or later"
    )


def packages() -> Iterator[Finding]:
    """Compare what is installed with what each extra asks for, by the packages' own records."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or []]
        extras = metadata.metadata(_DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", False, f"{_DISTRIBUTION} itself is not installed", _INSTALL)
        return
    for extra in ["", *(name for name in extras if name not in ("all", "test"))]:
        wrong = [
            problem
            for requirement in asked
            if _belongs(requirement.marker, extra) and (problem := _wrong(requirement.name, requirement.specifier))
        ]
        name = f"packages[{extra}]" if extra else "packages"
        needed = not extra or extra in _NEEDED_EXTRAS
        yield Finding(name, not wrong, "; ".join(wrong) or "all there", _INSTALL, needed=needed)


def _belongs(marker: object, extra: str) -> bool:
    """Return whether a requirement comes with an extra, and not without."""
    from packaging.markers import Marker

    if not isinstance(marker, Marker):
        return not extra
    alone = marker.evaluate({"extra": ""})
    return alone if not extra else marker.evaluate({"extra": extra}) and not alone


def _wrong(name: str, allowed: object) -> str | None:
    from packaging.specifiers import SpecifierSet

    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    assert isinstance(allowed, SpecifierSet)
    return None if allowed.contains(version, prereleases=True) else f"{name} is {version}, needed {allowed}"


def writable(home: Path) -> Finding:
    """Write a file where state will be."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=home):
            return Finding("home", True, str(home))
    except OSError as error:
        return Finding(
            "home", False, f"{home}: {error.strerror}", "export WORKBENCH_HOME=<a folder that you may write>"
        )


def space(home: Path) -> Finding:
    """Look at the free space where weights and tracking data go."""
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    return Finding(
        "disk space", free >= _FREE_BYTES, f"{free / 1024**3:.1f} GB free at {place}",
        "free 2 GB, or set WORKBENCH_HOME to a larger disk",
    )  # fmt: skip


def models(home: Path) -> Iterator[Finding]:
    """Look for the embedded models' weights."""
    from workbench.local import weights
    from workbench.settings import EMBEDDED_MODELS

    there = {one.model.name for one in weights.installed(home)}
    for name in EMBEDDED_MODELS:
        found = "weights are there" if name in there else "no weights yet"
        if name not in there and name == "smollm2-135m":
            found += "; `workbench demo` gets them"
        yield Finding(f"model {name}", name in there, found, f"workbench models pull {name}", needed=False)


def gateway(settings: Settings, config: Path | None, *, start: bool) -> Finding:
    """Reach the gateway, or start one for a moment."""
    from workbench.services import EmbeddedGateway, running_gateway

    running = running_gateway(settings.home)
    if running is not None:
        return Finding("gateway", True, f"answers at {running.url}, pid {running.pid}")
    if not start:
        return Finding("gateway", True, "does not run; not started to see", needed=False)
    try:
        with EmbeddedGateway(settings.home, config, restart=False):
            return Finding("gateway", True, "does not run; it starts")
    except WorkbenchError as error:
        return Finding("gateway", False, error.message, error.hint or "workbench gateway, to see it fail")


def tracking_store(settings: Settings) -> Finding:
    """Compare the schema of MLflow's sqlite file with the one that the installed MLflow wants."""
    uri = settings.tracking_uri
    if not uri.startswith("sqlite:///"):
        return Finding("mlflow store", True, f"{uri}, not looked into", needed=False)
    file = Path(uri.removeprefix("sqlite:///"))
    if not file.exists():
        return Finding("mlflow store", True, "made at first use")
    wanted = _newest_schema()
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            (found,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        return Finding("mlflow store", False, f"{file}: {error}", f"mv {file} {file}.broken, to begin a new one")
    if wanted is None or found == wanted[0]:
        return Finding("mlflow store", True, f"{file}, schema {found}")
    if found in wanted[1]:
        return Finding("mlflow store", True, f"{file}, schema {found}; `workbench up` brings it to {wanted[0]}")
    return Finding("mlflow store", False, f"{file} was written by a newer MLflow, schema {found}", _INSTALL)


def _newest_schema() -> tuple[str, set[str]] | None:
    """Return the newest revision of the installed MLflow and all of them, read without importing it."""
    spec = find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "store" / "db_migrations" / "versions"
    revisions, older = set(), set()
    for script in folder.glob("*.py"):
        text = script.read_text("utf-8")
        revisions.update(re.findall(r"^revision(?:: str)? = [\"'](\w+)[\"']", text, re.MULTILINE))
        older.update(re.findall(r"^down_revision(?:: [^=]+)? = [\"'](\w+)[\"']", text, re.MULTILINE))
    newest = revisions - older
    return (newest.pop(), revisions) if len(newest) == 1 else None


def jupyter() -> Iterator[Finding]:
    """Look whether Jupyter servers of this environment load the extension, mount keys, and show the tiles."""
    if find_spec("jupyter_core") is None:
        yield Finding("jupyter extension", False, "Jupyter is not installed", _INSTALL)
        return
    yield _server_extension("jupyter extension", "workbench_jupyter", _INSTALL)
    yield provisioner()
    yield _server_extension(
        "jupyter launcher tiles", "jupyter_server_proxy", 'pip install "jupyter-server-proxy>=4.6"', needed=False
    )
    yield panel()


def _server_extension(what: str, package: str, install: str, *, needed: bool = True) -> Finding:
    """Look whether a server extension is installed, and enabled by the folder of configurations that counts most."""
    from jupyter_core.paths import jupyter_config_path

    if find_spec(package) is None:
        return Finding(what, False, f"{package} is not installed", install, needed=needed)
    enabled = None
    for folder in reversed(jupyter_config_path()):  # the first folder counts most
        for file in sorted((Path(folder) / "jupyter_server_config.d").glob("*.json")):
            told = _told(file, "ServerApp", "jpserver_extensions", package)
            if told is not None:
                enabled = (bool(told), file)
    if enabled is None or not enabled[0]:
        found = f"disabled in {enabled[1]}" if enabled else "not enabled"
        return Finding(what, False, found, f"jupyter server extension enable {package}", needed=needed)
    return Finding(what, True, f"enabled in {enabled[1]}", needed=needed)


def provisioner() -> Finding:
    """Look whether kernels will be started by what mounts keys; configurations in Python are not run to see."""
    from jupyter_core.paths import jupyter_config_path

    what, ours = "jupyter kernels' keys", "workbench-provisioner"
    if not metadata.entry_points(group="jupyter_client.kernel_provisioners", name=ours):
        return Finding(what, False, f"no provisioner {ours} is installed", _INSTALL)
    others = [("JUPYTER_DEFAULT_PROVISIONER_NAME", os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME"))]
    names = ("jupyter_server_config.json", "jupyter_config.json")
    files = [Path(folder) / name for folder in jupyter_config_path() for name in names]
    others += [(str(file), _told(file, "KernelProvisionerFactory", "default_provisioner_name")) for file in files]
    for where, name in others:
        if name not in (None, "", ours, "local-provisioner"):
            found = f"{where} names the provisioner {name}; kernels that it starts elsewhere get no key"
            return Finding(what, False, found, f"take it out of {where}", needed=False)
    if os.environ.get("JUPYTER_GATEWAY_URL"):
        return Finding(
            what, False, "JUPYTER_GATEWAY_URL has kernels run elsewhere; they get no key", "unset JUPYTER_GATEWAY_URL",
            needed=False,
        )  # fmt: skip
    return Finding(what, True, f"mounted by {ours}, the default of servers with the extension")


def panel() -> Finding:
    """Look for JupyterLab's panel, which an install builds where it finds Node.js."""
    from jupyter_core.paths import jupyter_path

    what = "jupyterlab panel"
    folders = [Path(folder) / "genai-workbench-panel" for folder in jupyter_path("labextensions")]
    found = next((folder for folder in folders if (folder / "package.json").exists()), None)
    if found is None:
        mend = f"install Node.js 20 or newer, then {_INSTALL} --force-reinstall --no-deps"
        return Finding(what, False, "not built: there was no Node.js at the install", mend, needed=False)
    return Finding(what, True, str(found), needed=False)


def _told(file: Path, *names: str) -> Any:
    """Return what a JSON file tells under these names; None where it tells nothing."""
    try:
        told = json.loads(file.read_text("utf-8"))
        for name in names:
            told = told[name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told


def browser() -> Finding:
    """Look for chromium, which only the browser tests need."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return Finding("chromium", found is not None, found or "not found; only browser tests need it", needed=False)
