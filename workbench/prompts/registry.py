"""Register prompts in MLflow and load them: versions from the registry, aliases from the gateway's record."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.errors import GatewayUnreachable, IntegrityError, InvalidInput, TrackingError, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.prompt import Prompt
from workbench.prompts.template import Template
from workbench.wire.prompt_hash import prompt_hash

if TYPE_CHECKING:
    from workbench.client import Gateway, PublishedPrompt
    from workbench.tracking import PromptVersion
    from workbench.tracking.tracker import Tracker


def register(
    name: str,
    template: Template,
    *,
    parameters: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    message: str | None = None,
    tags: Mapping[str, str] | None = None,
    tracker: Tracker | None = None,
) -> Prompt:
    """Register a version in MLflow's Prompt Registry; what is identical to the latest version makes no new one.

    `parameters` (model, temperature, max_tokens, seed ...) and `schema` (a JSON Schema of the answer) are part of the
    version. Raises InvalidInput if name, template or parameters can't be used.
    """
    draft = Prompt(name, template, parameters=parameters or {}, schema=schema)
    kept = (tracker or default_tracker()).register_prompt(
        name, draft.template, message=message, tags=tags, parameters=draft.parameters, schema=schema
    )
    return _prompt(kept)


def load(spec: str, *, gateway: Gateway | None = None, tracker: Tracker | None = None) -> Prompt:
    """Load `name@production` (what the gateway published), `name@3` (a version) or `name` (the latest version).

    A published prompt needs no MLflow: its hash is checked against the gateway's record, and where this process has
    MLflow open, the registry's text is compared too; a difference is warned of, and what was published counts. Raises
    NotFound; GatewayUnreachable if an alias is asked for and no gateway answers; IntegrityError if the text is not
    the one that was published or registered.
    """
    name, _, which = spec.partition("@")
    if not name or (not which and "@" in spec):
        raise InvalidInput(f"{spec!r} names no prompt.", hint="Write name, name@3 or name@production.")
    if which and not which.removeprefix("v").isdecimal() and which != "latest":
        return _published(name, which, gateway=gateway or default_gateway(), tracker=tracker or tracking.connected())
    version = int(which.removeprefix("v")) if which and which != "latest" else None
    return _prompt(intact((tracker or default_tracker()).get_prompt(name, version)))


def versions(name: str, *, tracker: Tracker | None = None) -> list[Prompt]:
    """Return all versions of a prompt, newest first, as the registry holds them."""
    return [_prompt(each) for each in (tracker or default_tracker()).list_prompt_versions(name)]


def names(*, tracker: Tracker | None = None) -> list[str]:
    """Return the names of all prompts."""
    return (tracker or default_tracker()).list_prompts()


def intact(version: PromptVersion) -> PromptVersion:
    """Return a version as it is; raises IntegrityError if it is not what was registered."""
    if not version.intact:
        raise IntegrityError(
            f"{version.name} v{version.version} was changed in MLflow after it was registered: its hash is "
            f"{version.hash[:12]}..., registered was {str(version.registered_hash)[:12]}...",
            hint="Register the text that you want as a new version.",
        )
    return version


def _published(name: str, alias: str, *, gateway: Gateway, tracker: Tracker | None) -> Prompt:
    try:
        live = gateway.published(name, alias)
    except GatewayUnreachable as error:
        raise GatewayUnreachable(
            f"{name}@{alias} is kept by the gateway, and none answers. {error.message}", hint=error.hint
        ) from error
    found = prompt_hash(live.template, live.parameters, live.schema)
    if found != live.hash:
        raise IntegrityError(f"{name}@{alias} is not what was published: its hash is {found[:12]}...")
    if tracker is not None and (said := difference_in_registry(live, tracker)):
        warnings.warn(f"{said} What the gateway published is used.", stacklevel=3)
    return Prompt(
        name, live.template, version=live.version, parameters=live.parameters, schema=live.schema, alias=alias
    )


def difference_in_registry(live: PublishedPrompt, tracker: Tracker) -> str | None:
    """Say how MLflow's version differs from the one that was published, or return None."""
    try:
        tracker.reach()
    except TrackingError as error:
        return f"MLflow could not be asked for {live.name} v{live.version}: {error.message}"
    try:
        held = tracker.get_prompt(live.name, live.version)
    except WorkbenchError as error:
        return f"MLflow does not hold {live.name} v{live.version}, which is live as {live.alias!r}: {error.message}"
    if held.hash != live.hash:
        return (
            f"MLflow's text of {live.name} v{live.version} is not the one that was published as {live.alias!r}: "
            f"hash {held.hash[:12]}... instead of {live.hash[:12]}..."
        )
    return None


def _prompt(kept: PromptVersion) -> Prompt:
    return Prompt(
        kept.name,
        kept.template,
        version=kept.version,
        parameters=kept.parameters,
        schema=kept.schema,
        message=kept.message,
    )
