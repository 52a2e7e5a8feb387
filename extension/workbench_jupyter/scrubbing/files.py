"""Notebook files that did not come by a save: old checkpoints, restored ones, uploads in pieces."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from workbench.wire.whole_file import write_whole
from workbench_jupyter.scrubbing.notebooks import scrub_notebook
from workbench_jupyter.scrubbing.texts import Scrubber

_log = logging.getLogger(__name__)


def scrubbed_text(text: str, scrubber: Scrubber) -> str:
    """Return a notebook file's text without keys; what is no notebook, or has none, stays as it is to the byte."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict) or not scrub_notebook(content, scrubber):
        return text
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def scrub_file(path: Path, scrubber: Scrubber) -> bool:
    """Take the keys out of a notebook file, if it has any; return whether it had."""
    try:
        path = path.resolve(strict=True)
        text = path.read_text("utf-8")
        scrubbed = scrubbed_text(text, scrubber)
        if scrubbed == text:
            return False
        draft = path.with_name(f".{path.name}.scrubbed")
        draft.touch(mode=0o600)
        shutil.copymode(path, draft)
        write_whole(path, scrubbed.encode(), draft=draft)
    except FileNotFoundError:
        return False
    except (OSError, UnicodeError) as error:
        _log.warning("workbench: %s was not looked through for keys: %s", path, error)
        return False
    return True
