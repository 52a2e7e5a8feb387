"""Gives DataFrames their `.wb` as soon as pandas is there, before `import workbench` or after it.

`import workbench` is not to load pandas, and `import workbench as wb, pandas as pd; df.wb...` in one cell is to work:
so a finder stands before the others until pandas has been imported, and does nothing but register then.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PANDAS = "pandas"


def watch() -> None:
    """Register `.wb` now if pandas is loaded, else when it is; twice is fine."""
    module = sys.modules.get(_PANDAS)
    if module is not None and hasattr(module, "api"):
        _register(module)
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


class _Watch:
    """Lets the other finders find pandas, and sees when it has been run."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Return the spec that the others give, with a loader that registers `.wb` at its end."""
        if name != _PANDAS:
            return None
        spec = self._found(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                _register(module)

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]  # this one loader's alone
        return spec

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            if find is not None and (spec := find(name, path, target)) is not None:
                found: ModuleSpec = spec
                return found
        return None


def _register(pandas: Any) -> None:
    if hasattr(pandas.DataFrame, "wb"):
        return  # ours, or somebody else's: pandas would warn of the one and lose the other

    pandas.api.extensions.register_dataframe_accessor("wb")(_accessor)


def _accessor(frame: Any) -> Any:
    from workbench.interactive.accessor import FrameAccessor  # noqa: PLC0415 - loads with the first use

    return FrameAccessor(frame)
