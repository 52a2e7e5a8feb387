"""An interrupt ends the server as SIGTERM does: its extensions are told, and its keys are revoked.

On a terminal Jupyter's server asks whether it is meant. Without one, as under JupyterHub, which stops servers by
SIGINT, Python's own handler would break off the loop, and nobody would be told.
"""

from __future__ import annotations

import signal
from typing import Any


def end_whole_on_interrupt(serverapp: Any) -> None:
    """Have SIGINT stop the server in order, where it would break it off; a second one breaks it off all the same."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        serverapp.stop(from_signal=True)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
