"""What one kernel's environment becomes, and what its user is told where she has set one of the variables herself.

An SDK is mounted whole or not at all: our key next to a base URL of the user's would be sent to a stranger, and the
user's key next to our base URL to the gateway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from workbench.wire.key_file import MountedKey
from workbench.wire.variables import GATEWAY_URL, KEY_FILE, Sdk, as_text
from workbench_jupyter.variables import HOME, MOUNTED, NOTICE, RELAY, SERVER_ONLY, mounted_sdks

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Plan:
    """What is mounted into one kernel, and what the user is told of it."""

    sdks: tuple[Sdk, ...]
    """Rows whose variables are set."""
    notices: tuple[str, ...] = ()
    """Sentences for the user, one for each row that the user had set."""


def plan(
    environ: Mapping[str, str],
    *,
    sdks: Sequence[Sdk],
    mount: Literal["respect", "always"],
    gateway_url: str | None,
    credentials: frozenset[str] = frozenset(),
) -> Plan:
    """Decide which of the rows are mounted into a kernel that would start with `environ`.

    `credentials` are the variables that the gateway's own configuration names: such a key was set for the gateway, so
    it is no sign that the user's calls are to bypass it.
    """
    # By the server that started this server's own kernel.
    inherited = {sdk.name for sdk in mounted_sdks(environ)}
    chosen: list[Sdk] = []
    notices: list[str] = []
    for sdk in sdks:
        found = [] if sdk.name in inherited else [name for name in sdk.names if environ.get(name)]
        the_gateways = bool(found) and credentials.issuperset(found)
        if not found or mount == "always" or the_gateways:
            chosen.append(sdk)
        if the_gateways:
            notices.append(_credential_notice(found))
        elif found and not _leads_to_gateway(sdk, environ, gateway_url):
            notices.append(_notice(sdk, found, replaced=mount == "always"))
    return Plan(tuple(chosen), tuple(notices))


def environment(
    chosen: Plan,
    environ: Mapping[str, str],
    *,
    key_file: Path,
    gateway_url: str | None,
    key: MountedKey | None,
    relay_url: str | None = None,
    withheld: Sequence[str] = SERVER_ONLY,
) -> dict[str, str]:
    """Return a kernel's environment; without a key the SDKs' own variables are left as they are."""
    result = {name: value for name, value in environ.items() if name not in (*withheld, NOTICE)}
    result |= {KEY_FILE: str(key_file), MOUNTED: ",".join(map(as_text, chosen.sdks))}
    if environ.get(HOME):
        # A relative path would mean another folder where the kernel runs.
        result[HOME] = str(Path(environ[HOME]).expanduser().resolve())
    if gateway_url:
        result[GATEWAY_URL] = gateway_url
    if chosen.notices:
        result[NOTICE] = "\n".join(chosen.notices)
    if key is not None:
        for sdk in chosen.sdks:
            kept = {name for name in sdk.extras if environ.get(name)}
            result |= {name: value for name, value in sdk.variables(key).items() if name not in kept}
            for name in sdk.others:
                result.pop(name, None)  # it would be taken in the place of ours
    result.pop(RELAY, None)
    if relay_url is not None:
        result[RELAY] = relay_url
    return result | _direct_ways(environ, relay_url or gateway_url)


def without_key_file(kernel_id: str, environ: Mapping[str, str], error: OSError) -> dict[str, str]:
    """Return the environment of a kernel that has no place for a key file; it tells the user why."""
    kept = {name: value for name, value in environ.items() if name not in SERVER_ONLY}
    # Our client, when it is used, names the file that is not there.
    missing = Path(error.filename or "unknown").with_name(f"{kernel_id}.json")
    notice = (
        f"No key is mounted in this kernel: there is no place for its file ({error}). "
        "Make room or a folder that can be written, name it by WORKBENCH_HOME, and restart the kernel."
    )
    return kept | {KEY_FILE: str(missing), NOTICE: notice}


def _direct_ways(environ: Mapping[str, str], gateway_url: str | None) -> dict[str, str]:
    """Return what lets SDKs reach a gateway of this machine where the user has a proxy for everything else."""
    if gateway_url is not None and urlsplit(gateway_url).hostname not in _LOOPBACK:
        return {}
    if not any(environ.get(name) for proxy in _PROXIES for name in (proxy, proxy.upper())):
        return {}
    # Where both spellings are set, some libraries read the one and some the other.
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host for host in listed.split(",") if host]
    value = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])
    return {"no_proxy": value, "NO_PROXY": value}


def _leads_to_gateway(sdk: Sdk, environ: Mapping[str, str], gateway_url: str | None) -> bool:
    urls = sdk.urls(gateway_url) if gateway_url else {}
    return any(environ.get(name, "").rstrip("/") == urls.get(name) for name in sdk.url_variables)


def _notice(sdk: Sdk, found: list[str], *, replaced: bool) -> str:
    names = " and ".join(found)
    verb, it, stay = ("was", "it", "stays") if len(found) == 1 else ("were", "them", "stay")
    if replaced:
        return (
            f'{names} {verb} set; [jupyter] mount = "always" replaced {it} in this kernel by the gateway and its key.'
        )
    return (
        f"{names} {verb} set and {stay}: calls by the {sdk.name} SDK bypass the gateway. "
        f'To have them go through it, unset {names}, or write [jupyter] mount = "always" in workbench.toml.'
    )


def _credential_notice(found: list[str]) -> str:
    names = " and ".join(found)
    return f"{names} is the gateway's credential of a provider; in this kernel the mounted key stands in its place."
