"""Which choices of a streamed answer have ended: where no event says it of the whole, all of them must."""

from __future__ import annotations


class Endings:
    """The choices of one answer, by their index."""

    __slots__ = ("_any", "_open")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._any = False

    @property
    def whole(self) -> bool:
        """Whether there was an end, and no choice is without one."""
        return self._any and not self._open

    def note(self, index: int, *, ended: bool) -> None:
        """Take what a piece of a choice tells of it."""
        if ended:
            self._any = True
            self._open.discard(index)
        else:
            self._open.add(index)

    def end(self) -> None:
        """Note an end that is no choice's own, such as of a prompt that was blocked; open choices stay open."""
        self._any = True

    def end_all(self) -> None:
        """Note the end of everything."""
        self._any = True
        self._open.clear()
