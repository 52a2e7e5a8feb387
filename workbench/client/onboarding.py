"""Put a provider into the configuration of a running gateway, and have it read: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.client.model_desk import ModelDesk
from workbench.errors import GatewayUnreachable, InvalidInput, MissingComponent
from workbench.settings.edit import add_provider


def put_provider(
    desk: ModelDesk, path: Path, name: str, entry: Mapping[str, Any], *, models: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write a provider and its models into the gateway's file, made if it is not there, and put it in force.

    Where the gateway does not take it the file is as it was, and the error is raised: SettingsError, InvalidInput,
    MissingComponent (its environment lacks the credential), GatewayUnreachable (it reads another file).
    """
    before = path.read_text("utf-8") if path.exists() else None
    add_provider(path, name, entry, models=models)
    try:
        if name not in desk.reload()["providers"]["added"]:
            raise GatewayUnreachable(
                f"The gateway at {desk.url} reads another configuration than {path}: it has no provider {name!r} now.",
                hint="Name the file that it was started with: --config FILE.",
            )
    except BaseException as error:
        # Nothing half done is left: the file is as it was.
        if before is None:
            path.unlink()
        else:
            path.write_text(before, "utf-8")
        variable = (entry.get("credential") or {}).get("env")
        if isinstance(error, InvalidInput) and variable and f"{variable} is missing" in str(error):
            raise MissingComponent(
                f"The gateway at {desk.url} does not have the environment variable {variable}: its own environment "
                "counts, not that of this command.",
                hint=f"Start the gateway again where {variable} is set, and add the model then.",
            ) from error
        raise
