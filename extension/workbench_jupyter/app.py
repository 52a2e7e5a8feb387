"""The server extension: its URLs, and its parts put together when Jupyter loads it."""

from __future__ import annotations

from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory
from jupyter_server.extension.application import ExtensionApp
from traitlets import Enum, Int

from workbench_jupyter.broker import Broker
from workbench_jupyter.handlers import api
from workbench_jupyter.handlers.base import Parts
from workbench_jupyter.handlers.live import LiveHandler
from workbench_jupyter.handlers.passing import PassingHandler
from workbench_jupyter.interrupt import end_whole_on_interrupt
from workbench_jupyter.mounts import Mounts
from workbench_jupyter.provisioner import become_default
from workbench_jupyter.questions import Questions
from workbench_jupyter.relay.process import RelayProcess
from workbench_jupyter.scrubbing.guard import LeakGuard
from workbench_jupyter.scrubbing.secrets import ServerSecrets
from workbench_jupyter.server_key import ServerKey
from workbench_jupyter.status import Status
from workbench_jupyter.upstream import Upstream

URLS = (
    (r"/workbench/api/status", api.StatusHandler),
    (r"/workbench/api/me", api.MeHandler),
    (r"/workbench/api/catalogue", api.CatalogueHandler),
    (r"/workbench/api/prompts", api.PromptsHandler),
    (r"/workbench/api/usage", api.UsageHandler),
    (r"/workbench/api/calls", api.CallsHandler),
    (r"/workbench/api/keys/([^/]+)/renew", api.RenewalHandler),
    (r"/workbench/v1/(.+)", PassingHandler),
    (r"/workbench/live/(.+)", LiveHandler),
)


class WorkbenchExtension(ExtensionApp):  # type: ignore[misc]  # jupyter_server has no types
    """Mounts an exploration key into each kernel of the server."""

    name = "workbench"
    app_name = "GenAI workbench"
    description = "Mount an exploration key into each kernel, and run or reach the gateway that it is for."

    mount = Enum(
        ("", "respect", "always"),
        default_value="",
        config=True,
        help="Whether a variable that the user has set stays or is replaced; empty: as `[jupyter] mount` says.",
    )
    max_body_bytes = Int(
        32 << 20,
        min=1,
        config=True,
        help="The largest body that a page of this server may send to a model, in bytes.",
    )

    def initialize_settings(self) -> None:
        """Begin to reach the gateway, and make our provisioner the one that starts kernels."""
        self.broker = Broker(mount=self.mount or None)
        self.mounts = Mounts(self.broker)
        secrets = ServerSecrets(
            credentials=lambda: self.broker.credentials, token=lambda: self.serverapp.identity_provider.token
        )
        self.broker.on_key = secrets.add_key
        self.guard = LeakGuard(secrets.all)
        self.guard.install(self.serverapp.contents_manager)
        self.server_key = ServerKey(self.broker, self.mounts.open)
        self.upstream = Upstream(self.server_key)
        self.status = Status(self.broker, self.mounts, self._untouched())
        if self.status.untouched:
            self.log.warning("workbench: %s", self.status.untouched)
        else:
            self.mounts.relay = RelayProcess()
            self.broker.start()

    def initialize_handlers(self) -> None:
        """Append the table of URLs."""
        parts = Parts(
            status=self.status,
            mounts=self.mounts,
            questions=Questions(self.server_key, self.mounts),
            key=self.server_key,
            upstream=self.upstream,
            max_body_bytes=self.max_body_bytes,
        )
        self.handlers.extend((path, handler, {"parts": parts}) for path, handler in URLS)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Sweep what killed servers left, and see to it that none is left where an interrupt ends this one."""
        end_whole_on_interrupt(serverapp)
        self.guard.install(serverapp.contents_manager)  # another extension may have put its own in the place
        try:
            await self.mounts.open()
        except OSError as error:
            self.log.warning("workbench: the folder of key files can't be made: %s", error)

    async def stop_extension(self) -> None:
        """Revoke the keys and give up the gateway."""
        await self.upstream.close()
        await self.server_key.close()
        await self.mounts.close()

    def _untouched(self) -> str | None:
        """Return why kernels get no key; where they do, our provisioner has become the default."""
        if self.serverapp.gateway_config.gateway_enabled:
            return f"Kernels run at {self.serverapp.gateway_config.url}, out of reach of a key file; they get no key."
        return become_default(KernelProvisionerFactory.instance(parent=self.serverapp), self.mounts)
