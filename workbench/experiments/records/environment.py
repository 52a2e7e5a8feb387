"""What an experiment ran on, so that its report says what to install to see the same."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("genai-workbench", "mlflow", "numpy", "openai", "pandas")
"""Those whose versions may change a figure."""


def environment() -> dict[str, str]:
    """Return the versions of Python, of the system and of the packages that made the figures."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed made nothing
            continue
    return found
