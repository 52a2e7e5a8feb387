"""Where an experiment's calls are made. The journal, the limits and the budget stay with the process that runs it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Protocol

from workbench.errors import InvalidInput, MissingComponent
from workbench.experiments.calls.sending import ChatClient, LocalSender, Sender

BackendName = Literal["local", "ray"]


class Backend(Protocol):
    """A place for calls."""

    def sender(self, gateway: ChatClient | None, *, concurrency: int) -> Sender:
        """Return what makes calls there, so many at once; it is asked for on the loop of the run."""


class LocalBackend:
    """The process that runs the experiment."""

    def sender(self, gateway: ChatClient | None, *, concurrency: int) -> Sender:
        """Return what makes calls from here."""
        return LocalSender(gateway, threads=concurrency)


def named(backend: str) -> Backend:
    """Return a backend by its name; raises InvalidInput, and MissingComponent where its package is not there."""
    if backend == "local":
        return LocalBackend()
    if backend != "ray":
        raise InvalidInput(f"There is no backend {backend!r}.", hint='Known: "local", "ray".', param="backend")
    if find_spec("ray") is None:
        raise MissingComponent(
            'backend="ray" needs the package ray.', hint="Install it: `pip install 'genai-workbench[ray]'`."
        )
    from workbench.experiments.calls.ray_backend import RayBackend  # noqa: PLC0415 - Ray takes a second to load

    return RayBackend()
