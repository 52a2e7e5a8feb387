"""`/workbench/api/...`: what a page may know of the gateway, the kernels' keys and what was spent."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from workbench.errors import InvalidInput
from workbench_jupyter.handlers.base import WorkbenchHandler

_MOST_ROWS = 200


class StatusHandler(WorkbenchHandler):
    """`GET /workbench/api/status`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell the gateway's state, seen now, and which kernel has which key until when."""
        self.tell(await self.parts.status.look())


class MeHandler(WorkbenchHandler):
    """`GET /workbench/api/me?kernel_id=`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell who the user is, to Jupyter and to the gateway, and what is left of the budget."""
        user = self.current_user
        told = {"username": user.username, "name": user.name, "display_name": user.display_name}
        self.tell({"user": told, "key": await self.parts.questions.me(self.get_query_argument("kernel_id", None))})


class CatalogueHandler(WorkbenchHandler):
    """`GET /workbench/api/catalogue`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell the models that may be called, with their prices."""
        self.tell({"data": await self.parts.questions.models()})


class PromptsHandler(WorkbenchHandler):
    """`GET /workbench/api/prompts`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell the published prompts, each with the version that is in production."""
        self.tell({"data": await self.parts.questions.prompts()})


class UsageHandler(WorkbenchHandler):
    """`GET /workbench/api/usage?kernel_id=`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell what the calls of this server's kernels and pages used and cost."""
        self.tell(await self.parts.questions.usage(self.get_query_argument("kernel_id", None)))


class CallsHandler(WorkbenchHandler):
    """`GET /workbench/api/calls?kernel_id=&limit=`."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell the last calls of this server's kernels and pages, newest first, with their cost."""
        text = self.get_query_argument("limit", "20")
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_ROWS:
            raise InvalidInput(f"limit is {text[:20]!r}.", hint=f"Use 1 to {_MOST_ROWS}.", param="limit")
        kernel_id = self.get_query_argument("kernel_id", None)
        self.tell({"data": await self.parts.questions.calls(kernel_id, limit=int(text))})


class RenewalHandler(WorkbenchHandler):
    """`POST /workbench/api/keys/{kernel_id}/renew`."""

    @web.authenticated
    @authorized("write")  # type: ignore[untyped-decorator]
    async def post(self, kernel_id: str) -> None:
        """Put another key in the place of a kernel's, and tell until when it is good."""
        mounted = await self.parts.mounts.renew(kernel_id)
        self.tell({"kernel_id": mounted.kernel_id, "expires_at": mounted.expires_at})
