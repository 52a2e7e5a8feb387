"""Register prompts in MLflow and load them: versions from the registry, aliases from the gateway's record."""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.errors import GatewayUnreachable, IntegrityError, InvalidInput, NotFound, TrackingError, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.form import Format, read_form
from workbench.prompts.prompt import Prompt
from workbench.prompts.template import Template
from workbench.settings.user import user_name
from workbench.tracking.prompt_version import Lineage

if TYPE_CHECKING:
    from workbench.client import Gateway, PublishedPrompt
    from workbench.tracking import PromptVersion
    from workbench.tracking.tracker import Tracker


_COMPARE_SECONDS = 60.0
_compared: weakref.WeakKeyDictionary[Tracker, dict[str, float]] = weakref.WeakKeyDictionary()
"""When which hash was compared with what a tracker holds."""


def register(
    name: str,
    template: Template,
    *,
    parameters: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    format: Format = "braces",  # noqa: A002 - its name in files and on the wire
    variables: Mapping[str, Any] | None = None,
    few_shot: Any = None,
    message: str | None = None,
    tags: Mapping[str, str] | None = None,
    origin: str = "hand",
    parent: Prompt | str | None = None,
    tracker: Tracker | None = None,
) -> Prompt:
    """Register a version in MLflow's Prompt Registry; what says the same as an earlier version makes no new one.

    `parameters` (model, temperature, max_tokens, seed ...), `schema` (a JSON Schema of the answer), `format` (`braces`
    or `jinja`), `variables` (types, defaults and descriptions: see `Variable`) and `few_shot` (examples: see `FewShot`)
    are part of the version; `tags`, `message`, `origin` and `parent` (by default the latest version) are not. A warning
    tells when it is an older version that says the same: that one is returned, and the latest stays what it is. Raises
    InvalidInput if something can't be used.
    """
    draft = Prompt(
        name,
        template,
        parameters=parameters or {},
        schema=schema,
        format=format,
        declared=variables or {},
        few_shot=few_shot,
    )
    return register_draft(draft, message=message, tags=tags, origin=origin, parent=parent, tracker=tracker)


def register_draft(
    draft: Prompt,
    *,
    message: str | None = None,
    tags: Mapping[str, str] | None = None,
    origin: str = "hand",
    parent: Prompt | str | None = None,
    tracker: Tracker | None = None,
) -> Prompt:
    """Register what a `Prompt` says as a version of its name; see `register`."""
    kept, latest = keep(draft, message=message, tags=tags, origin=origin, parent=parent, tracker=tracker)
    if latest != kept.version:
        warnings.warn(
            f"{kept.name} v{kept.version} says the same already, so no new version was made; the latest is v{latest}. "
            f"Load it as {kept.name}@{kept.version}; to bring it live again, promote it or roll back.",
            stacklevel=3,
        )
    return kept


def keep(
    draft: Prompt,
    *,
    message: str | None = None,
    tags: Mapping[str, str] | None = None,
    origin: str = "hand",
    parent: Prompt | str | None = None,
    tracker: Tracker | None = None,
) -> tuple[Prompt, int]:
    """Register a draft; return the version that says it, and the number of the latest, which may be another."""
    tracker = tracker or default_tracker()
    made_of = f"{parent.name}@{parent.version}" if isinstance(parent, Prompt) and parent.version else None
    kept = tracker.register_prompt(
        draft.name,
        draft.template,
        message=message or draft.message,
        tags=tags,
        parameters=draft.parameters,
        schema=draft.schema,
        form=draft.form,
        lineage=Lineage(origin, parent if isinstance(parent, str) else made_of, user_name("unknown")),
        reuse="any",
    )
    if more := {key: value for key, value in (tags or {}).items() if kept.tags.get(key) != value}:
        tracker.tag_prompt(kept.name, more, kept.version)
    return _prompt(kept), tracker.list_prompt_versions(kept.name)[0].version


def load(
    spec: str, *, user: str | None = None, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> Prompt:
    """Load `name@production` (what the gateway published), `name@3` (a version) or `name` (the latest version).

    A published prompt needs no MLflow and is kept in memory: only the first load waits for the gateway, a change is
    heard of within a second, and while no gateway answers, or what it says can't be believed, the last good version is
    served with a warning (`Prompt.served` tells). `user` is what tells an application's users apart: where an alias
    is being rolled out, each of them gets one of the two versions and stays with it; the key itself goes nowhere. Where
    this process has MLflow open, the registry's text is compared too; a difference is warned of, and what was published
    counts. Raises NotFound; GatewayUnreachable if an alias was never loaded and no gateway answers; IntegrityError if
    the text is not the one that was published or registered.
    """
    name, _, which = spec.partition("@")
    if not name or (not which and "@" in spec):
        raise InvalidInput(f"{spec!r} names no prompt.", hint="Write name, name@3 or name@production.")
    if which and not which.removeprefix("v").isdecimal() and which != "latest":
        asked = gateway or default_gateway()
        return _published(name, which, user=user, gateway=asked, tracker=tracker)
    version = int(which.removeprefix("v")) if which and which != "latest" else None
    return _prompt(intact((tracker or default_tracker()).get_prompt(name, version)))


def versions(name: str, *, tracker: Tracker | None = None) -> list[Prompt]:
    """Return all versions of a prompt, newest first, as the registry holds them."""
    return [_prompt(each) for each in (tracker or default_tracker()).list_prompt_versions(name)]


def intact(version: PromptVersion) -> PromptVersion:
    """Return a version as it is; raises IntegrityError if it is not what was registered."""
    if not version.intact:
        raise IntegrityError(
            f"{version.name} v{version.version} was changed in MLflow after it was registered: its hash is "
            f"{version.hash[:12]}..., registered was {str(version.registered_hash)[:12]}...",
            hint="Register the text that you want as a new version.",
        )
    return version


def _published(name: str, alias: str, *, user: str | None, gateway: Gateway, tracker: Tracker | None) -> Prompt:
    try:
        loaded = gateway.served(name, alias)
    except GatewayUnreachable as error:
        raise GatewayUnreachable(
            f"{name}@{alias} is kept by the gateway, and none answers. {error.message}", hint=error.hint
        ) from error
    live, assigned = loaded.prompt.for_user(user)
    held = tracker or _due(live, tracking.connected())
    if held is not None and (said := difference_in_registry(live, held)):
        warnings.warn(f"{said} What the gateway published is used.", stacklevel=3)
    return Prompt(
        name,
        live.template,
        version=live.version,
        parameters=live.parameters,
        schema=live.schema,
        **read_form(live.form),
        alias=alias,
        assigned=assigned,
        served=loaded.served,
    )


def _due(live: PublishedPrompt, tracker: Tracker | None) -> Tracker | None:
    """Return the tracker where it is time to compare again: an application does not wait for MLflow at each load."""
    if tracker is None:
        return None
    seen, now = _compared.setdefault(tracker, {}), time.monotonic()
    if now - seen.get(live.hash, -_COMPARE_SECONDS) < _COMPARE_SECONDS:
        return None
    seen[live.hash] = now
    return tracker


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


def alias_in_registry(name: str, alias: str, tracker: Tracker) -> int | None:
    """Return the version that MLflow's alias points to; None where it has no such alias, or no such prompt."""
    try:
        return tracker.aliases(name).get(alias)
    except NotFound:
        return None


def _prompt(kept: PromptVersion) -> Prompt:
    return Prompt(
        kept.name,
        kept.template,
        version=kept.version,
        parameters=kept.parameters,
        schema=kept.schema,
        **read_form(kept.form),
        message=kept.message,
    )
