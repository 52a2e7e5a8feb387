"""The gateway's ASGI application: every route and the lifespan on one screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from workbench.errors import Unavailable, WorkbenchError
from workbench.gateway.access.admin_routes import AdminKeyRoutes
from workbench.gateway.access.routes import KeyRoutes, MeRoutes
from workbench.gateway.access.slack import routes as slack
from workbench.gateway.admission.routes import AdmissionRoutes
from workbench.gateway.alerts.routes import AlertRoutes
from workbench.gateway.audit.routes import AuditRoutes, MyBodyRoutes
from workbench.gateway.door import Door, UnknownPath, on_client_left, on_unexpected_error, on_workbench_error
from workbench.gateway.ledger.admin_routes import AdminLedgerRoutes
from workbench.gateway.ledger.my_routes import MyCallRoutes
from workbench.gateway.native.routes import NativeRoutes
from workbench.gateway.openapi import routes as openapi
from workbench.gateway.parts import Parts
from workbench.gateway.providers.local_routes import LocalRoutes
from workbench.gateway.published.request_routes import PromotionRoutes
from workbench.gateway.published.rollout_routes import RolloutRoutes
from workbench.gateway.published.routes import FeedbackRoutes, PromptRoutes
from workbench.gateway.reply import json_reply
from workbench.gateway.reports.routes import ReportRoutes
from workbench.gateway.review.routes import UseCaseRoutes
from workbench.gateway.routing.routes import RegistryRoutes, RoutingRoutes
from workbench.gateway.settlement.routes import SettlementRoutes
from workbench.gateway.telemetry.routes import MetricsRoutes
from workbench.gateway.unified.body import ClientLeft
from workbench.gateway.unified.objects.actions import ACTIONS
from workbench.gateway.unified.operations import OPERATIONS, responses
from workbench.gateway.unified.routes import Calls, ModelRoutes, ObjectCalls, ResponseCalls
from workbench.settings import Settings


def create_app(settings: Settings, *, parts: Parts | None = None) -> Door:
    """Return the gateway of a configuration. Nothing is opened before its lifespan starts."""
    gateway = parts or Parts(settings)
    keys, me, models = KeyRoutes(gateway), MeRoutes(gateway), ModelRoutes(gateway)
    prompts, feedback = PromptRoutes(gateway), FeedbackRoutes(gateway)
    rollouts, promotion = RolloutRoutes(gateway), PromotionRoutes(gateway)
    local, reports, alerts = LocalRoutes(gateway), ReportRoutes(gateway), AlertRoutes(gateway)
    admin_keys, admin_ledger = AdminKeyRoutes(gateway), AdminLedgerRoutes(gateway)
    use_cases = UseCaseRoutes(gateway)
    routing, registry = RoutingRoutes(gateway), RegistryRoutes(gateway)
    audit = AuditRoutes(gateway)
    my_calls, my_bodies = MyCallRoutes(gateway), MyBodyRoutes(gateway)
    admission = AdmissionRoutes(gateway)

    settlement = SettlementRoutes(gateway)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            await gateway.open()
            yield
        finally:
            await gateway.close()

    async def healthz(request: Request) -> Response:
        return json_reply(request, {"status": "ok"})

    async def readyz(request: Request) -> Response:
        gateway.spool.check()
        if gateway.published.fault is not None:
            raise Unavailable(str(gateway.published.fault), code=gateway.published.fault.error_code)
        return json_reply(request, {"status": "ready", "stage": gateway.stage})

    calls: dict[str, ASGIApp] = {errand.path: Calls(gateway, errand) for errand in OPERATIONS}
    calls[responses.PATH] = ResponseCalls(gateway)
    routes = [
        *(Route(path, endpoint, methods=["POST"]) for path, endpoint in calls.items()),
        *(Route(action.path, ObjectCalls(gateway, action), methods=[action.method]) for action in ACTIONS),
        Route("/v1/models", models.list),
        Route("/v1/models/{name:path}", models.show),
        Route("/v1/prompts", prompts.list),
        Route("/v1/prompts/changes", prompts.changes),
        Route("/v1/prompts/openapi.json", prompts.described),
        Route("/v1/prompts/gates", promotion.register, methods=["POST"]),
        Route("/v1/prompts/record", promotion.record),
        Route("/v1/prompts/verify", promotion.verify),
        Route("/v1/prompts/requests", promotion.list),
        Route("/v1/prompts/requests/{id}", promotion.show),
        Route("/v1/prompts/requests/{id}/evidence", promotion.bring, methods=["POST"]),
        Route("/v1/prompts/requests/{id}/comments", promotion.comment, methods=["POST"]),
        Route("/v1/prompts/requests/{id}/approve", promotion.approve, methods=["POST"]),
        Route("/v1/prompts/requests/{id}/reject", promotion.reject, methods=["POST"]),
        Route("/v1/prompts/requests/{id}/withdraw", promotion.withdraw, methods=["POST"]),
        Route("/v1/prompts/requests/{id}/publish", promotion.publish, methods=["POST"]),
        Route("/v1/prompts/{reference}", prompts.show),
        Route("/v1/prompts/{reference}", prompts.publish, methods=["POST"]),
        Route("/v1/prompts/{reference}/history", prompts.history),
        Route("/v1/prompts/{reference}/requests", promotion.ask, methods=["POST"]),
        Route("/v1/prompts/{reference}/watch", promotion.watch),
        Route("/v1/prompts/{reference}/rollback", promotion.rollback, methods=["POST"]),
        Route("/v1/prompts/{reference}/rollout", rollouts.show),
        Route("/v1/prompts/{reference}/rollout", rollouts.start, methods=["POST"]),
        Route("/v1/prompts/{reference}/rollout/{event}", rollouts.steer, methods=["POST"]),
        Route("/v1/feedback", feedback.give, methods=["POST"]),
        Route("/v1/feedback", feedback.drain),
        Route("/me", me.show),
        Route("/me/calls", my_calls.calls),
        Route("/me/calls/{request_id}/body", my_bodies.show),
        Route("/me/usage", me.usage),
        Route("/keys", keys.list),
        Route("/keys/exploration", keys.issue, methods=["POST"]),
        Route("/keys/{id}", keys.show),
        Route("/keys/{id}/rotate", keys.rotate, methods=["POST"]),
        Route("/keys/{id}", keys.revoke, methods=["DELETE"]),
        Route("/admin/v1/keys", admin_keys.list),
        Route("/admin/v1/keys", admin_keys.issue, methods=["POST"]),
        Route("/admin/v1/keys/{id}", admin_keys.show),
        Route("/admin/v1/keys/{id}/rotate", admin_keys.rotate, methods=["POST"]),
        Route("/me/acknowledgements", use_cases.risks),
        Route("/me/acknowledgements", use_cases.acknowledge, methods=["POST"]),
        Route("/use-cases", use_cases.list),
        Route("/use-cases", use_cases.draft, methods=["POST"]),
        Route("/use-cases/{name}", use_cases.show),
        Route("/use-cases/{name}", use_cases.edit, methods=["PATCH"]),
        Route("/use-cases/{name}/submit", use_cases.submit, methods=["POST"]),
        Route("/use-cases/{name}/comments", use_cases.comment, methods=["POST"]),
        Route("/use-cases/{name}/keys", use_cases.key, methods=["POST"]),
        Route("/admin/v1/use-cases", use_cases.list_all),
        Route("/admin/v1/use-cases/{name}/approve", use_cases.approve, methods=["POST"]),
        Route("/admin/v1/use-cases/{name}/amend", use_cases.amend, methods=["POST"]),
        Route("/admin/v1/use-cases/{name}/reject", use_cases.reject, methods=["POST"]),
        Route("/admin/v1/use-cases/{name}/request-changes", use_cases.request_changes, methods=["POST"]),
        Route("/admin/v1/use-cases/{name}/escalate", use_cases.escalate, methods=["POST"]),
        Route("/admin/v1/use-cases/{name}/retire", use_cases.retire, methods=["POST"]),
        Route("/admin/v1/keys/{id}", admin_keys.change, methods=["PATCH"]),
        Route("/admin/v1/keys/{id}", admin_keys.revoke, methods=["DELETE"]),
        Route("/admin/v1/calls", admin_ledger.calls),
        Route("/admin/v1/audit/ship", audit.ship, methods=["POST"]),
        Route("/admin/v1/audit/calls/{request_id}", audit.show),
        Route("/admin/v1/audit/dataset", audit.dataset),
        Route("/admin/v1/usage", reports.usage),
        Route("/admin/v1/usage/showback", reports.showback),
        Route("/admin/v1/usage/slo", reports.slo),
        Route("/admin/v1/usage/capacity", reports.capacity),
        Route("/admin/v1/usage/settle", settlement.settle, methods=["POST"]),
        Route("/admin/v1/usage/settle", settlement.waiting),
        Route("/admin/v1/usage/settle/{id}", settlement.close, methods=["POST"]),
        Route("/admin/v1/prices", settlement.prices),
        Route("/admin/v1/local", local.list),
        Route("/admin/v1/local/{name:path}", local.start, methods=["POST"]),
        Route("/admin/v1/local/{name:path}", local.stop, methods=["DELETE"]),
        Route("/admin/v1/limits", admission.limits),
        Route("/admin/v1/budgets/raises", admission.raises),
        Route("/admin/v1/budgets/raises", admission.raise_budget, methods=["POST"]),
        Route("/v1/status", routing.status),
        Route("/admin/v1/health", routing.health),
        Route("/admin/v1/reload", routing.reload, methods=["POST"]),
        Route("/admin/v1/models", registry.list),
        Route("/admin/v1/models", registry.add, methods=["POST"]),
        Route("/admin/v1/models/{name:path}", registry.show),
        Route("/admin/v1/models/{name:path}", registry.remove, methods=["DELETE"]),
        Route("/metrics", MetricsRoutes(gateway).show),
        Route("/admin/v1/alerts", alerts.list),
        Route("/admin/v1/alerts/test", alerts.test, methods=["POST"]),
        Route(slack.PATH, slack.SlackRoutes(gateway).command, methods=["POST"]),
        Route("/openapi.json", openapi.described),
        Route("/docs", openapi.read),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            WorkbenchError: on_workbench_error,
            ClientLeft: on_client_left,
            HTTPException: UnknownPath(gateway),
            Exception: on_unexpected_error,
        },
    )
    app.router.redirect_slashes = False
    return Door(app, host=settings.gateway.host, calls=calls, native=NativeRoutes(gateway).at)
