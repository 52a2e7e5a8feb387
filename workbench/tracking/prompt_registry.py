"""Prompt versions in MLflow's Prompt Registry, each stamped with the hash of what was registered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from mlflow.entities.model_registry import PromptModelConfig
from mlflow.entities.model_registry import PromptVersion as Registered
from mlflow.tracking._model_registry.client import ModelRegistryClient
from pydantic import ValidationError

from workbench.errors import InvalidInput, NotFound
from workbench.tracking.moments import utc
from workbench.tracking.prompt_version import Lineage, PromptVersion, Template
from workbench.tracking.store import Store
from workbench.wire.prompt_hash import prompt_hash

_HASH = "workbench.hash"
_PARAMETERS = "workbench.parameters"
_FORM = "workbench.form"
_ORIGIN = "workbench.origin"
_PARENT = "workbench.parent"
_MADE_BY = "workbench.made_by"
_LONGEST = 100_000
"""Characters that MLflow keeps of one tag; templates, schemas and forms stand in tags."""
_OWN = ("workbench.", "mlflow.", "_mlflow")
Reuse = Literal["latest", "any"]
"""Which versions are returned where they say the same as what is registered."""
_MLFLOW_NAMES = {"model": "model_name", "stop": "stop_sequences"}
"""Our parameters that MLflow's model config calls by another name."""


class PromptRegistry:
    """Register and read prompt versions. MLflow's caches are passed by: what stands in the store is what is read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(
        self,
        name: str,
        template: Template,
        *,
        message: str | None = None,
        tags: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        lineage: Lineage | None = None,
        reuse: Reuse = "latest",
    ) -> PromptVersion:
        """Register a version, or return one that says the same: the latest, or with `reuse="any"` the newest such."""
        parameters, schema = dict(parameters or {}), dict(schema) if schema else None
        digest = prompt_hash(template, parameters, schema, form)
        stamps = {_HASH: digest, _PARAMETERS: json.dumps(parameters, sort_keys=True, ensure_ascii=False)}
        if form:
            stamps[_FORM] = json.dumps(form, ensure_ascii=False)
        _check_lengths(schema, stamps)
        config = _model_config(parameters)
        client, store = self._store.client, self._store
        with store.exclusive():
            try:
                held = self.versions(name)
            except NotFound:
                held = []
                store.write(lambda: client.create_prompt(name))
            same = [each for each in (held if reuse == "any" else held[:1]) if each.hash == digest and each.intact]
            if same:
                return same[0]
            stamps |= _stamps(lineage, name, held)
            made = store.write(
                lambda: client.create_prompt_version(
                    name,
                    template,
                    description=message,
                    tags={**(tags or {}), **stamps},
                    response_format=schema,
                    model_config=config or None,
                )
            )
            return self.get(name, version=int(made.version))

    def get(self, name: str, *, version: int | None = None, alias: str | None = None) -> PromptVersion:
        """Return a version by number or alias, by default the latest; raises NotFound."""
        if version is None and alias is None:
            for latest in self.versions(name):
                return latest
            raise NotFound(f"Prompt {name!r} has no version.")
        try:
            found = self._store.read(lambda: self._store.client.get_prompt_version(name, str(version or alias)))
        except (NotFound, InvalidInput):  # MLflow calls an alias that is not there an invalid parameter
            found = None
        if found is not None:
            return _ours(found)
        known = ", ".join(str(each.version) for each in reversed(self.versions(name))) or "none"
        if version is None:
            raise NotFound(f"Prompt {name!r} has no alias {alias!r} in MLflow. Versions: {known}.")
        raise NotFound(f"Prompt {name!r} has no version {version}. Versions: {known}.")

    def versions(self, name: str) -> list[PromptVersion]:
        """Return all versions of a prompt, newest first; raises NotFound with the nearest names."""
        try:
            found = list(self._store.pages(lambda at: self._store.client.search_prompt_versions(name, 200, at)))
        except NotFound as error:
            names = self.names()
            near = get_close_matches(name, names, n=5, cutoff=0.5) or names[:10]
            raise NotFound(
                f"No prompt named {name!r}. Known: {', '.join(near) or 'none'}.",
                hint="`workbench prompts register` makes one.",
            ) from error
        return sorted((_ours(each) for each in found), key=lambda each: -each.version)

    def names(self) -> list[str]:
        """Return the names of all prompts."""
        found = self._store.pages(lambda token: self._store.client.search_prompts(page_token=token))
        return sorted(prompt.name for prompt in found)

    def set_tags(self, name: str, tags: Mapping[str, str | None], version: int | None = None) -> None:
        """Set tags of a prompt, or of one version; None takes a tag away. Raises InvalidInput for reserved names."""
        if reserved := sorted(key for key in tags if key.startswith(_OWN)):
            raise InvalidInput(f"Tags that begin with {', '.join(_OWN)} are not yours to set: {', '.join(reserved)}.")
        held = self.get(name, version=version).tags if version is not None else self.tags(name)
        client, number = self._store.client, str(version)
        for key, value in tags.items():
            if value is None:
                if key in held and version is None:
                    self._store.write(lambda key=key: client.delete_prompt_tag(name, key))  # type: ignore[misc]
                elif key in held:
                    self._store.write(lambda key=key: client.delete_prompt_version_tag(name, number, key))  # type: ignore[misc]
            elif version is None:
                self._store.write(lambda key=key, value=value: client.set_prompt_tag(name, key, value))  # type: ignore[misc]
            else:
                self._store.write(
                    lambda key=key, value=value: client.set_prompt_version_tag(name, number, key, value)  # type: ignore[misc]
                )

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a prompt, whatever the version; raises NotFound."""
        found = self._store.read(lambda: self._store.client.get_prompt(name))
        if found is None:
            self.versions(name)  # says which names there are
            raise NotFound(f"No prompt named {name!r}.")
        return {k: v for k, v in found.tags.items() if not k.startswith(_OWN)}

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias point to a version."""
        self._store.write(lambda: self._store.client.set_prompt_alias(name, alias, version))

    def aliases(self, name: str) -> dict[str, int]:
        """Return MLflow's aliases of a prompt and the versions they point to."""
        registry = ModelRegistryClient(self._store.uri, self._store.uri)  # MLflow's search of versions leaves them out
        found = self._store.read(lambda: registry.get_registered_model(name))
        return {alias: int(version) for alias, version in found.aliases.items()}


def _stamps(lineage: Lineage | None, name: str, held: Sequence[PromptVersion]) -> dict[str, str]:
    """Return the tags that tell where a version comes from; by default, from the one that was the latest."""
    if lineage is None:
        return {}
    parent = lineage.parent or (f"{name}@{held[0].version}" if held else None)
    told = {_ORIGIN: lineage.origin, _PARENT: parent, _MADE_BY: lineage.made_by}
    return {key: value for key, value in told.items() if value}


def _check_lengths(schema: Mapping[str, Any] | None, stamps: Mapping[str, str]) -> None:
    """Refuse what MLflow would not keep whole."""
    form = len(stamps.get(_FORM, ""))
    if form > _LONGEST:
        raise InvalidInput(
            f"Examples and variables of the prompt are {form:,} characters; MLflow keeps {_LONGEST:,} of them.",
            hint="Take fewer or shorter examples.",
            param="few_shot",
        )
    if schema and (length := len(json.dumps(schema))) > _LONGEST:
        raise InvalidInput(f"The schema is {length:,} characters; MLflow keeps {_LONGEST:,}.", param="schema")


def _form(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the form that a version was stamped with; one that can't be read counts as none, and is not intact."""
    try:
        form = json.loads(tags.get(_FORM, "{}"))
    except ValueError:
        return {}
    return form if isinstance(form, dict) else {}


def _model_config(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as MLflow's UI shows them."""
    try:
        theirs = {_MLFLOW_NAMES.get(name, name): value for name, value in parameters.items()}
        if isinstance(theirs.get("stop_sequences"), str):
            theirs["stop_sequences"] = [theirs["stop_sequences"]]
        config = PromptModelConfig.from_dict(theirs)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"Parameter {name!r} of a prompt can't be {first['input']!r}: {first['msg']}.") from error
    shown: dict[str, Any] = config.to_dict()
    return shown


def _ours(found: Registered) -> PromptVersion:
    tags = dict(found.tags)
    shown = found.model_config or {}
    shown = shown.to_dict() if isinstance(shown, PromptModelConfig) else dict(shown)
    ours = {ours: theirs for theirs, ours in _MLFLOW_NAMES.items()}
    parameters = {ours.get(k, k): v for k, v in shown.items() if k != "provider"}
    if _PARAMETERS in tags:
        stamped = json.loads(tags[_PARAMETERS])
        # MLflow makes 0 a 0.0. The stamp keeps what was meant, as long as the two say the same.
        if _model_config(stamped) == shown:
            parameters = stamped
    template: Template = found.template
    schema = found.response_format or None
    form = _form(tags)
    parent = tags.get(_PARENT)
    return PromptVersion(
        name=found.name,
        version=int(found.version),
        template=template,
        parameters=parameters,
        schema=schema,
        form=form,
        message=found.commit_message or None,
        created_at=utc(found.creation_timestamp),
        tags={k: v for k, v in tags.items() if not k.startswith(_OWN)},
        hash=prompt_hash(template, parameters, schema, form),
        registered_hash=tags.get(_HASH),
        lineage=Lineage(tags[_ORIGIN], parent, tags.get(_MADE_BY)) if _ORIGIN in tags else None,
    )
