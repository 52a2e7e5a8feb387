"""The kernel provisioner that mounts a key before each start and takes it away at the end.

It is what the other local provisioners are, and one step more; kernels that run elsewhere are left alone.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from workbench_jupyter.mounts import Mounts

NAME = "workbench-provisioner"
_LOCAL = "local-provisioner"
_EXTENSION = "workbench_jupyter.ipython"
_log = logging.getLogger(__name__)


class KeyMounting:
    """Mix into a local provisioner; `mounts` is bound when the server extension is loaded."""

    mounts: ClassVar[Mounts | None] = None
    """Whose keys are mounted; None outside a Jupyter server with the extension."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Add the key to the environment, and the notice to the command of an IPython kernel."""
        kwargs = await super().pre_launch(**kwargs)  # type: ignore[misc]  # of the provisioner that it is mixed into
        if self.mounts is None:
            return kwargs
        try:
            kwargs["env"] = await self.mounts.mount(self._id, kwargs["env"])
        except Exception:  # noqa: BLE001 - whatever is wrong with a key, the kernel starts
            _log.exception("No key was mounted into kernel %s.", self._id)
            return kwargs
        if is_ipykernel_of_ours(kwargs["cmd"]):
            kwargs["cmd"] = [*kwargs["cmd"], f"--InteractiveShellApp.extra_extensions={_EXTENSION}"]
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Launch; a kernel that can't be launched keeps no key."""
        try:
            return await super().launch_kernel(cmd, **kwargs)  # type: ignore[misc]
        except BaseException:
            await self._unmount()
            raise

    async def cleanup(self, restart: bool = False) -> None:
        """Take the key away, unless the kernel starts again: then `pre_launch` replaces it."""
        await super().cleanup(restart=restart)  # type: ignore[misc]
        if not restart:
            await self._unmount()

    async def _unmount(self) -> None:
        if self.mounts is None:
            return
        try:
            await self.mounts.unmount(self._id)
        except Exception:  # noqa: BLE001 - whatever is wrong with a key, the kernel ends
            _log.exception("The key of kernel %s was not taken away.", self._id)

    @property
    def _id(self) -> str:
        return str(self.kernel_id)  # type: ignore[attr-defined]


class WorkbenchProvisioner(KeyMounting, LocalProvisioner):  # type: ignore[misc]  # jupyter_client has no types
    """What the entry point names; without the server extension it is a LocalProvisioner."""


class _Row:
    """Stands in the factory's table of entry points for a class that is made at load."""

    def __init__(self, made: type, value: str) -> None:
        self.name, self.value = NAME, value
        self._made = made

    def load(self) -> type:
        return self._made


def become_default(factory: KernelProvisionerFactory, mounts: Mounts) -> str | None:
    """Make the factory's default provisioner one that mounts keys, on top of the one that was the default.

    Returns why not, where the default's kernels run out of reach of a key file; None if all is well.
    """
    before = factory.default_provisioner_name
    base: type = LocalProvisioner
    if before not in (NAME, _LOCAL):
        try:
            base = factory.provisioners[before].load()
        except Exception as error:  # noqa: BLE001 - a foreign entry point may raise anything; the factory will tell
            return f"The provisioner {before!r} can't be loaded ({error}); its kernels get no key."
        if not issubclass(base, LocalProvisioner):
            return f"The provisioner {before!r} starts kernels out of reach of a key file; they get no key."
    made = type("WorkbenchProvisioner", (KeyMounting, base), {"mounts": mounts})
    factory.provisioners[NAME] = _Row(made, f"{__name__}:WorkbenchProvisioner")
    factory.default_provisioner_name = NAME
    return None


def is_ipykernel_of_ours(command: list[str]) -> bool:
    """Return whether a command starts IPython's kernel in the environment in which this package is installed."""
    if not any(part == "ipykernel" or part.startswith(("ipykernel_launcher", "ipykernel.")) for part in command):
        return False
    # Links are not followed: the Pythons of two virtual environments are links to the same file.
    python = Path(shutil.which(command[0]) or command[0])
    return python.absolute().parent == Path(sys.executable).absolute().parent
