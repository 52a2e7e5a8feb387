"""The last good version of each prompt on disk, for a process that starts while no gateway answers.

A copy is its owner's (0600) and is believed only where nobody else could have written it and its hash holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.client.answers import read_served
from workbench.client.results import PublishedPrompt
from workbench.errors import IntegrityError
from workbench.wire.key_file import write_private

FOLDER = "served-prompts"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Copy:
    """A prompt as it was served once."""

    prompt: PublishedPrompt
    """What was served."""
    confirmed_at: float
    """When the gateway last confirmed it, in seconds since the epoch."""


class Copies:
    """Copies in the first of several folders that can be written."""

    def __init__(self, parents: Iterable[Path]) -> None:
        self._folders = [parent / FOLDER for parent in parents]

    def read(self, url: str, reference: str) -> Copy | None:
        """Return the copy of what a gateway serves as `name@alias`, None where there is none.

        Raises IntegrityError for one that is not what was served.
        """
        for folder in self._folders:
            path = folder / _name(url, reference)
            try:
                found = path.lstat()
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if not stat.S_ISREG(found.st_mode) or (os.name == "posix" and _is_open(found)):
                raise IntegrityError(f"The copy {path} may have been written by somebody else: it is not used.")
            return Copy(_checked(path, text, url, reference), found.st_mtime)
        return None

    def write(self, url: str, reference: str, answer: Any) -> None:
        """Keep an answer; where no folder can be written, nothing is kept."""
        text = json.dumps({"url": url, "reference": reference, "answer": answer}, ensure_ascii=False)
        for folder in self._folders:
            with contextlib.suppress(OSError):
                write_private(folder / _name(url, reference), text, synced=False)
                return

    def confirm(self, url: str, reference: str) -> None:
        """Note that the gateway has just confirmed what is kept."""
        now = time.time()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                os.utime(folder / _name(url, reference), (now, now))
                return


def _name(url: str, reference: str) -> str:
    return f"{hashlib.sha256(f'{url} {reference}'.encode()).hexdigest()[:32]}.json"


def _is_open(found: os.stat_result) -> bool:
    return found.st_uid != os.getuid() or bool(found.st_mode & _OTHERS_WRITE)


def _checked(path: Path, text: str, url: str, reference: str) -> PublishedPrompt:
    try:
        kept = json.loads(text)
        prompt = read_served(kept["answer"])
        whole = (kept["url"], kept["reference"], f"{prompt.name}@{prompt.alias}") == (url, reference, reference)
    except IntegrityError as error:
        raise IntegrityError(f"The copy {path} is not used. {error.message}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"The copy {path} can't be read: it is not used.") from error
    if not whole:
        raise IntegrityError(f"The copy {path} is of another prompt: it is not used.")
    return prompt
