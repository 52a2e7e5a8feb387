"""What each use case has used in the last minute of the tokens that are guaranteed to it, over all deployments."""

from __future__ import annotations

from workbench.gateway.routing.window import MinuteWindow


class Guarantees:
    """The windows of the use cases to which something is guaranteed, of one process."""

    def __init__(self) -> None:
        self._windows: dict[str, MinuteWindow] = {}

    def took(self, use_case: str, tokens: int, now: float) -> None:
        """Count tokens; less than 0 for those that were not used after all."""
        window = self._windows.get(use_case)
        if window is None:
            window = self._windows[use_case] = MinuteWindow()
        window.add(tokens, now)

    def used(self, use_case: str, now: float) -> int:
        """Return the tokens of the last minute."""
        window = self._windows.get(use_case)
        return 0 if window is None else window.total(now)
