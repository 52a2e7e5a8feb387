"""Tags: words about a prompt, or about one of its versions, that change nothing of what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput
from workbench.prompts.defaults import default_tracker

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker


def tag(spec: str, tags: Mapping[str, str | None], *, tracker: Tracker | None = None) -> dict[str, str]:
    """Set tags of `name`, or of one version `name@3`; None takes a tag away. Return those that it has now.

    Raises NotFound, and InvalidInput for what is no text or reserved for MLflow and the workbench.
    """
    tracker = tracker or default_tracker()
    name, version = _read(spec)
    for key, value in tags.items():
        if not isinstance(key, str) or not key or not (value is None or isinstance(value, str)):
            raise InvalidInput(f"A tag is a text by name, not {key!r}: {value!r}.", param="tags")
    tracker.tag_prompt(name, tags, version)
    return tags_of(spec, tracker=tracker)


def tags_of(spec: str, *, tracker: Tracker | None = None) -> dict[str, str]:
    """Return the tags of `name`, or of one version `name@3`; raises NotFound."""
    tracker = tracker or default_tracker()
    name, version = _read(spec)
    return dict(tracker.prompt_tags(name) if version is None else tracker.get_prompt(name, version).tags)


def _read(spec: str) -> tuple[str, int | None]:
    name, at, which = spec.partition("@")
    number = which.removeprefix("v")
    if not name or (at and not number.isdecimal()):
        raise InvalidInput(f"{spec!r} names no prompt or version.", hint="Write name or name@3.")
    return name, int(number) if at else None
