"""Many judgements at once: a few threads, one conversation each, and what can't get better ends it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm.auto import tqdm

from workbench.errors import AuthenticationFailed, GatewayUnreachable, InvalidInput, NotFound, PermissionDenied

T = TypeVar("T")
R = TypeVar("R")
HOPELESS = (AuthenticationFailed, GatewayUnreachable, NotFound, PermissionDenied)
"""What would meet every other call too."""


def ask_all(
    items: Sequence[T],
    ask: Callable[[T], R],
    failed: Callable[[T, Exception], R],
    *,
    workers: int,
    progress: bool,
    what: str,
) -> list[R]:
    """Return what `ask` makes of each item, in order; of one whose call failed, what `failed` makes.

    The first item is asked alone, so that a model that is gone costs one call. Raises what would meet every call.
    """
    if not items:
        raise InvalidInput(f"{what}: there is nothing to judge.")

    def one(item: T) -> R:
        try:
            return ask(item)
        except HOPELESS:
            raise
        except Exception as error:  # noqa: BLE001 - one call that fails leaves the others as they are
            return failed(item, error)

    with tqdm(total=len(items), desc=what, unit="pair", disable=not progress, dynamic_ncols=True) as bar:
        done = [one(items[0])]
        bar.update()
        pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="judge")
        try:
            for result in pool.map(one, items[1:]):
                done.append(result)
                bar.update()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return done
