"""`workbench status`: what runs under this home."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import config_option, json_option
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.services import GatewayAddress
    from workbench.services.leases import HeldLease
    from workbench.services.record import UpRecord

_TOKEN = re.compile(r"([?&]token=)[^&#]*")


@click.command()
@config_option
@json_option
@click.option("--show-tokens", is_flag=True, help="Show the tokens in URLs, such as JupyterLab's; they are secrets.")
def command(*, config: Path | None, as_json: bool, show_tokens: bool) -> None:
    """Show what runs."""
    from workbench.local import weights
    from workbench.services import held_leases, running_gateway
    from workbench.services.record import read_up_record
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    home = settings.home
    address, up = running_gateway(home), read_up_record(home)
    state = {
        "home": str(home),
        "file": str(settings.file) if settings.file else None,
        "gateway": _gateway(address) if address else None,
        "users": [_user(lease) for lease in held_leases(home)],
        "up": {"pid": up.pid, "services": _services(up, show_tokens=show_tokens)} if up else None,
        "models": [one.model.name for one in weights.installed(home)],
    }
    click.echo(json.dumps(state, indent=2) if as_json else _in_words(state))


def _gateway(address: GatewayAddress) -> dict[str, Any]:
    import psutil

    from workbench.client.key_desk import KeyDesk

    state: dict[str, Any] = {"pid": address.pid, "url": address.url, "uptime_s": None, "memory_mb": None, "keys": None}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(address.pid)
        state["uptime_s"] = round(time.time() - process.create_time())
        family = [process, *process.children(recursive=True)]
        state["memory_mb"] = round(sum(member.memory_info().rss for member in family) / 2**20)
    with contextlib.suppress(WorkbenchError):  # it may end while we ask
        state["keys"] = len(KeyDesk(address.url, address.owner_token).live_keys(timeout=5))
    return state


def _services(up: UpRecord, *, show_tokens: bool) -> dict[str, str]:
    """Return URLs by name; what is shown on a screen or kept by a machine is no place for a token."""
    if show_tokens:
        return dict(up.services)
    return {name: _TOKEN.sub(r"\1...", url) for name, url in up.services.items()}


def _user(lease: HeldLease) -> dict[str, Any]:
    import psutil

    command_line = ""
    with contextlib.suppress(psutil.Error):
        # The interpreter and its options say little; arguments may be long.
        words = psutil.Process(lease.pid).cmdline()
        command_line = " ".join(word for word in words[1:] if not word.startswith("-"))[:60]
    return {"lease": lease.id, "pid": lease.pid, "command": command_line}


def _in_words(state: dict[str, Any]) -> str:
    gateway, users = state["gateway"], state["users"]
    lines = [f"home      {state['home']}", f"settings  {state['file'] or 'the embedded default'}"]
    if gateway is None:
        lines.append("gateway   does not run; `workbench up` starts it, and so does a notebook in JupyterLab")
    else:
        lines.append(
            f"gateway   {gateway['url']}, pid {gateway['pid']}, {gateway['memory_mb']} MB with its models, "
            f"up {gateway['uptime_s']} s, {gateway['keys']} live keys"
        )
    lines += [f"used by   pid {user['pid']}: {user['command']}" for user in users]
    if state["up"]:
        urls = state["up"]["services"]
        lines += [f"up        {name}: {url}" for name, url in urls.items()]
        if any(url.endswith("token=...") for url in urls.values()):
            lines.append("          `workbench status --show-tokens` shows the token too")
    lines.append(f"models    {', '.join(state['models']) or 'none; `workbench models pull smollm2-135m` gets one'}")
    return "\n".join(lines)
