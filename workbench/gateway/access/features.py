"""What a call makes use of, by its path and its body, so that a key's scopes can leave it out.

What stands inside a batch file, or is agreed on within a live conversation, is not looked at: a key that may not use a
feature there must be without `batches` and `realtime`, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workbench.errors import PermissionDenied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.gateway.access.keys import Key
    from workbench.gateway.errand import Question

FEATURES = {
    "images": r"/images(/|$)|:predict(LongRunning)?$",
    "audio": r"/audio/",
    "files": r"/(files|uploads?|vector_stores)(/|:|$)",
    "batches": r"/batches(/|:|$)|/batchPredictionJobs|:batch[A-Z]|/model-invocation-jobs?(/|$)",
    "fine_tuning": r"/(fine_tuning|fine-tuning|tunedModels|tuningJobs|model-customization-jobs)(/|:|$)",
    "realtime": r"/realtime(/|$)|/ws/",
    "streaming": None,
    "tools": None,
}
"""Feature -> the paths that are it; None: the request tells."""
_PATHS = {name: re.compile(pattern) for name, pattern in FEATURES.items() if pattern is not None}
_EVERYTHING = ("*",)


def check_features(key: Key, *, path: str, question: Question) -> None:
    """Raise PermissionDenied where a call makes use of a feature that its key may not use."""
    if key.scopes.features == _EVERYTHING:
        return
    for feature in _used(path, question):
        if not key.scopes.allow_feature(feature):
            raise PermissionDenied(
                f"Key {key.id} may not use the feature {feature!r}.",
                hint="`/me` tells what it may use; the admin gives features: scopes {features}.",
                code="feature_not_allowed",
            )


def _used(path: str, question: Question) -> Iterator[str]:
    yield from (name for name, pattern in _PATHS.items() if pattern.search(path))
    if question.stream:
        yield "streaming"
    if question.uses_tools:
        yield "tools"
