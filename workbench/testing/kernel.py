"""A real kernel for a test, as a front end starts one: cells are run by Jupyter's protocol, and outputs kept by it."""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_PATIENCE = 120.0
_EXTENSION = "--InteractiveShellApp.extra_extensions=workbench_jupyter.ipython"


@dataclass
class Ran:
    """What running one cell left in the notebook."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Outputs as a saved notebook has them: `output_type` with `data`, `text` or `ename`; updates are applied."""
    updates: int = 0
    """How often an output was replaced."""
    status: str = ""
    """`ok` or `error`: after the latter a front end runs no further cell."""

    def texts(self, kind: str = "text/plain") -> list[str]:
        """Return what the outputs hold of a media type."""
        return [output["data"][kind] for output in self.outputs if kind in output.get("data", {})]

    @property
    def printed(self) -> str:
        """What went to stdout and stderr."""
        return "".join(output["text"] for output in self.outputs if output["output_type"] == "stream")

    @property
    def told(self) -> str:
        """All that a reader sees, as text."""
        errors = [f"{output['ename']}: {output['evalue']}" for output in self.outputs if "ename" in output]
        return "\n".join([self.printed, *self.texts(), *errors])


class Kernel:
    """A running kernel."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager = manager
        self._client = client

    def run(
        self, code: str, *, cell_id: str | None = None, while_running: Callable[[Ran], object] = lambda _: None
    ) -> Ran:
        """Run a cell to its end; `while_running` is called after each message of it."""
        message = self._client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False},
            metadata={"cellId": cell_id} if cell_id else None,
        )
        self._client.shell_channel.send(message)
        ran = Ran()
        displays: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + _PATIENCE
        while True:
            assert time.monotonic() < deadline, f"the cell did not end: {code}\n{ran.told}"
            try:
                heard = self._client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, content = heard["msg_type"], heard["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            _take(ran, displays, kind, content)
            while_running(ran)
        while not ran.status:
            reply = self._client.get_shell_msg(timeout=_PATIENCE)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                ran.status = reply["content"]["status"]
        return ran

    def press(self, model_id: str, verb: str) -> None:
        """Do what a browser does when a button of one of our live views is pressed for the first time."""
        content = {"comm_id": model_id, "data": {"method": "custom", "content": {"verb": verb, "turn": 0}}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", content))

    def click(self, model_id: str) -> None:
        """Do what JupyterLab does when a button of ipywidgets is pressed, by a subshell: also while a cell runs."""
        session = self._client.session
        asked = session.msg("create_subshell_request", {})
        self._client.control_channel.send(asked)
        reply = self._client.get_control_msg(timeout=_PATIENCE)
        content = {"comm_id": model_id, "data": {"method": "custom", "content": {"event": "click"}}}
        message = session.msg("comm_msg", content)
        message["header"]["subshell_id"] = reply["content"]["subshell_id"]
        self._client.shell_channel.send(message)

    def interrupt(self) -> None:
        """Do what the stop button does."""
        self._manager.interrupt_kernel()


def _take(ran: Ran, displays: dict[str, dict[str, Any]], kind: str, content: dict[str, Any]) -> None:
    """Apply a message to the outputs, as a front end does."""
    shown = str((content.get("transient") or {}).get("display_id") or "")
    if kind == "update_display_data":
        ran.updates += 1
        displays[shown]["data"] = content["data"]
    elif kind in ("display_data", "execute_result", "stream", "error"):
        output = {"output_type": kind, **content}
        ran.outputs.append(output)
        if shown:
            displays[shown] = output


@contextlib.contextmanager
def running_kernel(environ: Mapping[str, str], *, arguments: tuple[str, ...] = (_EXTENSION,)) -> Iterator[Kernel]:
    """Run an IPython kernel with our extension for as long as the block runs; `environ` goes before this process's."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415 - the extra `jupyter`

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=list(arguments), env={**os.environ, **environ})
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=_PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
