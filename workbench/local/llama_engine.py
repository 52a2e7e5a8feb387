"""One chat model in a process of its own: llama.cpp's HTTP server on a loopback port (`python -m`).

Loading holds Python's lock for a second or more, which is why it does not happen inside the process in front.
"""

from __future__ import annotations

import sys
import threading

from workbench.local.catalogue import SERVED_CONTEXT, SERVED_OUTPUT
from workbench.local.lifeline import end_at_eof, read_orders, say, threads

_SLOTS = 2
"""Calls that are answered side by side. On a few cores more of them make nothing faster, and each keeps a prefix."""
_PROMPT_CACHE_MIB = 512
"""Memory for the state of earlier prompts: what was read once, such as few-shot examples, is not read again."""


def main() -> None:
    """Serve the model that standard input orders until that ends."""
    orders = read_orders()
    end_at_eof()
    try:
        import xllamacpp  # noqa: PLC0415 - so that a missing package is told in the line that the parent waits for

        params = xllamacpp.CommonParams()
        params.model.path = orders["path"]
        params.model_alias = {orders["name"]}
        params.api_keys = [orders["token"]]
        params.port = 0
        params.ui = False
        params.endpoint_slots = False
        params.endpoint_metrics = True
        params.n_parallel = _SLOTS
        params.n_ctx = _SLOTS * SERVED_CONTEXT
        params.n_predict = SERVED_OUTPUT
        params.cache_ram_mib = _PROMPT_CACHE_MIB
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
        params.verbosity = -1
        server = xllamacpp.Server(params)
        url = server.listening_address
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        say({"error": f"{type(error).__name__}: {error}".strip()})
        sys.exit(1)
    say({"url": url})
    threading.Event().wait()  # llama.cpp answers in threads of its own


if __name__ == "__main__":
    main()
