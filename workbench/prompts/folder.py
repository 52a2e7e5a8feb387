"""Folders: the dots in the names of prompts read as a tree, as in `support.summary`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from workbench.prompts.defaults import default_tracker

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker


def names(
    *,
    folder: str | None = None,
    match: str | None = None,
    tags: Mapping[str, str] | None = None,
    tracker: Tracker | None = None,
) -> list[str]:
    """Return the names of the prompts, in order.

    `folder="support"` takes those below it (`support.summary`, `support.mail.reply`); `match` is a shell pattern, in
    which `*` crosses dots; `tags` are those that the prompt must have (see `tag`).
    """
    tracker = tracker or default_tracker()
    found = [name for name in tracker.list_prompts() if wanted(name, folder, match)]
    if tags:
        found = [name for name in found if dict(tags).items() <= tracker.prompt_tags(name).items()]
    return found


def tree(found: Iterable[str]) -> list[str]:
    """Return the names as the lines of a tree, a folder before what is in it."""
    lines: list[str] = []
    told: tuple[str, ...] = ()
    for name in sorted(found, key=lambda each: each.split(".")):
        *folders, last = name.split(".")
        for depth, part in enumerate(folders):
            if told[: depth + 1] != tuple(folders[: depth + 1]):
                lines.append(f"{'  ' * depth}{part}/")
                told = tuple(folders[: depth + 1])
        told = tuple(folders)
        lines.append(f"{'  ' * len(folders)}{last}")
    return lines


def wanted(name: str, folder: str | None, match: str | None) -> bool:
    """Tell whether a name is in a folder and fits a shell pattern; None lets all pass."""
    inside = folder is None or name.startswith(f"{folder.rstrip('.')}.")
    return inside and (match is None or fnmatchcase(name, match))
