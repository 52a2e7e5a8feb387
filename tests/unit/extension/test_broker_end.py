"""A server that stops while it reaches for the gateway."""

import asyncio
import threading

from workbench.errors import Unavailable
from workbench.testing.simulator import wait_until
from workbench_jupyter import connection
from workbench_jupyter.broker import Broker


def test_a_server_that_stops_while_it_reads_its_settings_starts_no_gateway(home, monkeypatch):
    begun, closed = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        closed.wait(10)

    monkeypatch.setattr(connection, "configured_url", slowly)
    broker = Broker()
    broker.start()
    assert begun.wait(10)
    asyncio.run(broker.close())
    closed.set()
    wait_until(lambda: broker.state != "starting", "it goes on and on", seconds=90)
    assert isinstance(broker.error, Unavailable)
    assert "stopping" in str(broker.error)
    assert not (home / "leases").exists()
    assert not (home / "logs").exists()
