"""Names that pass without being listed: `openai/*` and the like, and what `*` stands for at the provider."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:/@+-]*[A-Za-z0-9_])?")
_LONGEST = 200


def is_pattern(name: str) -> bool:
    """Tell whether a configured name stands for many."""
    return "*" in name


def matched(pattern: str, name: str) -> str | None:
    """Return what `*` stands for in a name, or None where it does not fit.

    A name of a caller goes into URLs at some providers: only letters, digits and a few signs pass, and no `..`.
    """
    head, _, tail = pattern.partition("*")
    if not (name.startswith(head) and name.endswith(tail) and len(name) > len(head) + len(tail)):
        return None
    if len(name) > _LONGEST or ".." in name or "//" in name or not _NAME.fullmatch(name):
        return None
    return name[len(head) : len(name) - len(tail)]


def filled(model: str, star: str) -> str:
    """Return a provider's own name of a model, `*` in it replaced by what matched."""
    return model.replace("*", star, 1)
