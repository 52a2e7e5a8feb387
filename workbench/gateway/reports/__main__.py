"""Answer one question, JSON in and out, in a child process: so its memory and time are bounded."""

from __future__ import annotations

import sys

import msgspec

from workbench.errors import WorkbenchError
from workbench.gateway.reports.answering import answer
from workbench.gateway.reports.asked import Asked, Told


def main() -> None:
    """Read, answer, write."""
    try:
        told = Told(answer=answer(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)))
    except WorkbenchError as error:
        told = Told(error=error.message, hint=error.hint, code=error.error_code)
    except Exception as error:  # noqa: BLE001 - whatever it was, the gateway tells it
        told = Told(error=f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
