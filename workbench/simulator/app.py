"""The simulator's ASGI application: the providers' paths, and `/simulator/...` to lay faults and read the recording."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from workbench.simulator.billing.invoice import written
from workbench.simulator.faults import Fault
from workbench.simulator.issued import Cloud
from workbench.simulator.quota import Quota
from workbench.simulator.simulator import Simulator


def create_app(simulator: Simulator) -> Starlette:
    """Return the application around a simulator."""

    async def lay(request: Request) -> Response:
        return await _told(request, Fault, simulator.faults.add)

    async def limit(request: Request) -> Response:
        return await _told(request, Quota, simulator.quotas.add)

    async def shorten(request: Request) -> Response:
        return await _told(request, dict[Cloud, float], simulator.state.issued.lifetimes.update)

    async def revoke(_request: Request) -> Response:
        simulator.state.issued.revoke_all()
        return Response(status_code=204)

    async def clear(_request: Request) -> Response:
        simulator.clear()
        return Response(status_code=204)

    async def recorded(_request: Request) -> Response:
        return _json(simulator.recording.requests)

    async def waiting(_request: Request) -> Response:
        return _json(simulator.faults.waiting)

    async def limits(_request: Request) -> Response:
        return _json(simulator.quotas.used())

    return Starlette(
        routes=[
            Route("/simulator/faults", lay, methods=["POST"]),
            Route("/simulator/faults", waiting),
            Route("/simulator/quotas", limit, methods=["POST"]),
            Route("/simulator/quotas", limits),
            Route("/simulator/tokens/lifetimes", shorten, methods=["POST"]),
            Route("/simulator/tokens", revoke, methods=["DELETE"]),
            Route("/simulator/requests", recorded),
            Route("/simulator/invoice", _invoices(simulator)),
            Route("/simulator", clear, methods=["DELETE"]),
            Mount("/", simulator),
        ]
    )


def _invoices(simulator: Simulator) -> Callable[[Request], Awaitable[Response]]:
    async def told(request: Request) -> Response:
        lines = simulator.invoice.lines(request.query_params.get("provider"))
        if request.query_params.get("format") == "csv":
            return Response(written(lines), media_type="text/csv")
        return _json(lines)

    return told


async def _told(request: Request, kind: Any, take: Any) -> Response:
    try:
        take(msgspec.json.decode(await request.body(), type=kind))
    except (msgspec.DecodeError, ClientDisconnect) as error:
        return JSONResponse({"error": {"message": str(error)}}, status_code=400)
    return Response(status_code=204)


def _json(data: Any) -> Response:
    return Response(msgspec.json.encode({"data": data}), media_type="application/json")
