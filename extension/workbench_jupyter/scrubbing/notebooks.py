"""Take keys out of a notebook, in place: outputs, attachments, widget state, metadata, and whole keys in sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench_jupyter.scrubbing.texts import Scrubber


@dataclass(frozen=True)
class Removed:
    """What was taken out of a notebook."""

    texts: int = 0
    """Texts of outputs, attachments and metadata that held a key."""
    sources: int = 0
    """Cells in whose source somebody had written one."""

    def __bool__(self) -> bool:
        return bool(self.texts or self.sources)


def scrub_notebook(content: dict[str, Any], scrubber: Scrubber) -> Removed:
    """Take the keys out of a notebook's JSON, and tell how many there were; one without keys is only looked at."""
    if not scrubber.suspects(_all_text(content)):
        return Removed()
    cells = content.get("cells")
    written = [cell for cell in cells if _is_written(cell)] if isinstance(cells, list) else []
    sources = sum(_scrub_source(cell, scrubber) for cell in written)
    return Removed(_scrub_tree(content, scrubber, written={id(cell) for cell in written}), sources)


def _all_text(content: Any) -> str:
    """Return every string of a tree in one, those of a list as they follow one another."""
    texts: list[str] = []
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            texts += value
            waiting += value.values()
        elif isinstance(value, list):
            try:
                texts.append("".join(value))
            except TypeError:
                waiting += [item for item in value if isinstance(item, (str, dict, list))]
    return "\n".join(texts)


def _is_written(cell: Any) -> bool:
    """Return whether this is a cell with a source: a text, or its lines."""
    source = cell.get("source") if isinstance(cell, dict) else None
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))


def _scrub_source(cell: dict[str, Any], scrubber: Scrubber) -> bool:
    source = cell["source"]
    whole = source if isinstance(source, str) else "".join(source)
    scrubbed = scrubber.scrub_source(whole)
    if scrubbed == whole:
        return False
    cell["source"] = scrubbed if isinstance(source, str) else scrubbed.splitlines(keepends=True)
    return True


def _scrub_tree(content: dict[str, Any], scrubber: Scrubber, *, written: set[int]) -> int:
    """Scrub every string but the sources of the cells with the ids `written`."""
    count = 0
    waiting: list[Any] = [content]
    while waiting:
        tree = waiting.pop()
        if isinstance(tree, dict):
            names = [name for name in tree if not (name == "source" and id(tree) in written)]
            for name in names:
                count += _scrub_value(tree, name, scrubber, waiting)
            for name in [name for name in tree if isinstance(name, str) and scrubber.scrub(name) != name]:
                tree[scrubber.scrub(name)] = tree.pop(name)
                count += 1
        elif all(isinstance(item, str) for item in tree):
            scrubbed = scrubber.scrub_strings(tree)
            count += sum(one != other for one, other in zip(tree, scrubbed, strict=True))
            tree[:] = scrubbed
        else:
            for place in range(len(tree)):
                count += _scrub_value(tree, place, scrubber, waiting)
    return count


def _scrub_value(tree: Any, place: Any, scrubber: Scrubber, waiting: list[Any]) -> bool:
    """Scrub one value that is a string; leave one that holds others waiting."""
    value = tree[place]
    if isinstance(value, (dict, list)):
        waiting.append(value)
    elif isinstance(value, str) and (scrubbed := scrubber.scrub(value)) != value:
        tree[place] = scrubbed
        return True
    return False
