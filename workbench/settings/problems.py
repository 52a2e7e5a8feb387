"""Everything that is wrong in a configuration, told at once: where, what was found, what would be right.

Values are shown only where they can't be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from workbench.errors import Problem
from workbench.settings.credential import REFERENCES, Credential
from workbench.settings.credentials import look_up
from workbench.settings.kinds import KIND_ROWS, PARTICULAR, KindRow
from workbench.settings.review import ReviewSettings
from workbench.settings.review_files import Checklist, ChecklistWrong, read_review_files, risk_text_problems
from workbench.settings.tables import ConfigFile, Kind
from workbench.settings.values import is_secret_like, without_password

_RESERVED = frozenset(
    "v1 admin keys use-cases me healthz readyz metrics slack docs openapi.json redoc favicon.ico".split()  # noqa: SIM905
)
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
Place = tuple[int | str, ...]


def find_problems(
    tables: dict[str, Any], *, place: str, folder: Path, environ: Mapping[str, str], credentials: bool
) -> tuple[ConfigFile | None, list[Problem]]:
    """Return the parsed file, None if it can't be one, and all that is wrong in it."""
    parsed: ConfigFile | None = None
    found: list[tuple[Place, str, str]] = []
    try:
        parsed = ConfigFile.model_validate(tables)
    except ValidationError as error:
        found += [_from_pydantic(details) for details in error.errors()]
    # The raw tables are read, so that these are told beside wrong types.
    found += _providers(tables)
    found += _credentials(tables, folder, environ) if credentials else ()
    found += _held_secrets(tables, folder, environ) if credentials else ()
    found += _models(tables)
    found += _prices(tables)
    found += _files_provider(tables)
    found += _review(tables, folder)
    return parsed, [Problem(f"{place}: {_dotted(at)}", what, right) for at, what, right in found]


def problems_of(error: ValidationError, root: type[BaseModel], *, place: str) -> list[Problem]:
    """Return what a table of another file has wrong, each with its key, what was found and what would be right."""
    told = (_from_pydantic(details, root) for details in error.errors())
    return [Problem(f"{place}: {_dotted(at)}", what, right) for at, what, right in told]


# -- one table by itself -------------------------------------------------------------------------------------------


_EXPECTED = {
    "missing": "a value",
    "model_type": "a table",
    "dict_type": "a table",
    "list_type": "an array",
    "too_short": "at least one entry",
    "string_too_short": "a text",
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a day such as 2026-01-01, without quotes",
    "string_pattern_mismatch": "small letters, digits and '-'",
}


def _from_pydantic(details: Any, root: type[BaseModel] = ConfigFile) -> tuple[Place, str, str]:
    at: Place = details["loc"]
    kind = details["type"]
    if kind == "extra_forbidden":
        return at, "unknown key", _known_keys(at, root)
    what = "missing" if kind == "missing" else "found " + _shown(at, details["input"])
    if kind == "value_error":
        return at, what, str(details["ctx"]["error"])
    if kind == "literal_error":
        return at, what, f"expected {details['ctx']['expected']}"
    right = _EXPECTED.get(kind)
    return at, what, f"expected {right}" if right else str(details["msg"]).replace("Input should be", "expected", 1)


def _shown(at: Place, value: object) -> str:
    if isinstance(value, (dict, list)):
        kind = "a table" if isinstance(value, dict) else "an array"
        return f"{kind} with {len(value)} entries" if len(value) != 1 else f"{kind} with 1 entry"
    if "credential" in at or (isinstance(value, str) and is_secret_like(value)):
        return f"a {'text' if isinstance(value, str) else type(value).__name__}, not shown here"
    return without_password(repr(value))


def _known_keys(at: Place, root: type[BaseModel]) -> str:
    annotation: Any = root
    for part in at[:-1]:
        inner = annotation.model_fields[part].annotation if _is_table(annotation) else get_args(annotation)[-1]
        annotation = _without_none(inner)
    known = [field.alias or name for name, field in annotation.model_fields.items()]
    near = get_close_matches(str(at[-1]), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    """Return `X` for `X | None`."""
    arguments = get_args(annotation)
    return arguments[0] if len(arguments) == 2 and arguments[1] is type(None) else annotation


# -- what one table says of another --------------------------------------------------------------------------------


def _providers(tables: dict[str, Any]) -> Iterator[tuple[Place, str, str]]:
    for name, provider in _table(tables.get("providers")).items():
        at = ("providers", name)
        if name in _RESERVED:
            yield at, "a name that the gateway uses for itself", "expected another name"
        elif not _PROVIDER_NAME.fullmatch(name):
            yield at, "not a name for a path", "expected letters, digits, '-', '_' and '.'"
        if not isinstance(provider, dict):
            continue
        row = _kind_row(provider)
        if row is not None:
            yield from (((*at, field), what, right) for field, what, right in _of_kind(provider, row))


def _kind_row(provider: dict[str, Any]) -> KindRow | None:
    kind = provider.get("kind")
    return KIND_ROWS.get(cast("Kind", kind)) if isinstance(kind, str) else None


def _of_kind(provider: dict[str, Any], row: KindRow) -> Iterator[tuple[str, str, str]]:
    kind = provider["kind"]
    for field, right in row.required.items():
        if field not in provider:
            yield field, "missing", f"expected {right}"
    for field in sorted(PARTICULAR & provider.keys() - {*row.required, *row.optional}):
        yield field, f"means nothing to kind {kind!r}", "expected it left out"
    credential = provider.get("credential")
    if credential is None:
        if row.needs_credential:
            yield "credential", "missing", f"expected {row.reference}"
    elif isinstance(credential, dict) and len(credential) == 1:
        (form,) = credential
        if form in REFERENCES and form not in row.references:
            yield "credential", f"{form!r} is no sign-in of kind {kind!r}", f"expected {row.reference}"


def _credentials(tables: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[Place, str, str]]:
    for name, provider in _table(tables.get("providers")).items():
        try:
            credential = Credential.model_validate(_table(provider)["credential"])
        except (KeyError, ValidationError):
            continue  # told already
        if not credential.holds_secret:
            continue  # the cloud is asked for it with the first call
        secret, source = look_up(credential, folder=folder, environ=environ)
        at = ("providers", name, "credential")
        row = _kind_row(_table(provider))
        if not secret:
            yield at, f"{source} is missing or empty", f"set {source}"
        elif row is not None and (right := row.wrong(secret)):
            yield at, f"{source} holds something else", f"expected {right}"


def _held_secrets(tables: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[Place, str, str]]:
    """Tell which secrets are not there that stand in a section of their own."""
    destinations = _table(_table(tables.get("alerts")).get("destinations"))
    places: list[Place] = [
        ("slack", "signing_secret"),
        ("gateway", "metrics_token"),
        ("telemetry", "traces", "credential"),
        *(("alerts", "destinations", name, "credential") for name in destinations),
    ]
    for at in places:
        value: Any = tables
        for part in at:
            value = _table(value).get(str(part))
        try:
            credential = Credential.model_validate(value)
        except ValidationError:
            continue  # told already, or left out
        if not credential.holds_secret:
            yield at, "names a cloud's sign-in", f"expected {REFERENCES['env']} or {REFERENCES['file']}"
            continue
        secret, source = look_up(credential, folder=folder, environ=environ)
        if not secret:
            yield at, f"{source} is missing or empty", f"set {source}"


def _files_provider(tables: dict[str, Any]) -> Iterator[tuple[Place, str, str]]:
    name = _table(tables.get("gateway")).get("files_provider")
    providers = _table(tables.get("providers"))
    if isinstance(name, str) and name not in providers:
        known = ", ".join(map(repr, providers)) or "none"
        yield ("gateway", "files_provider"), f"no provider named {name!r}", f"known: {known}"


def _review(tables: dict[str, Any], folder: Path) -> Iterator[tuple[Place, str, str]]:
    try:
        review = ReviewSettings.model_validate(tables.get("review", {}))
    except ValidationError:
        return  # told already
    problems: list[tuple[Place, str, str]] = [*review.problems(), *risk_text_problems(review, folder=folder)]
    try:
        read_review_files(review.model_copy(update={"risk_text": None}), folder=folder)
    except ChecklistWrong as error:
        problems += error.problems
    except ValidationError as error:
        told = (_from_pydantic(details, Checklist) for details in error.errors())
        problems += [(("checklist", *at), f"in {review.checklist}: {what}", right) for at, what, right in told]
    yield from ((("review", *at), what, right) for at, what, right in problems)


def _prices(tables: dict[str, Any]) -> Iterator[tuple[Place, str, str]]:
    """Yield the prices of which nobody could say which one holds."""
    seen: dict[tuple[str, ...], int] = {}
    for index, price in enumerate(_array(tables.get("prices"))):
        named = _table(price)
        place = (str(named.get("provider", "*")), str(named.get("model")), str(named.get("from")))
        first = seen.setdefault(place, index)
        if first != index:
            yield ("prices", index), f"the same provider, model and day as prices[{first}]", "expected each once"


def _models(tables: dict[str, Any]) -> Iterator[tuple[Place, str, str]]:
    models = _array(tables.get("models"))
    names = [name for model in models if isinstance(name := _table(model).get("name"), str)]
    providers = _table(tables.get("providers"))
    for index, model in enumerate(models):
        if not isinstance(model, dict):
            continue
        name = model.get("name")
        if isinstance(name, str) and name in [_table(earlier).get("name") for earlier in models[:index]]:
            yield ("models", index, "name"), f"{name!r} stands twice", "expected each name once"
        for number, deployment in enumerate(_array(model.get("deployments"))):
            provider = _table(deployment).get("provider")
            if isinstance(provider, str) and provider not in providers:
                known = ", ".join(map(repr, providers)) or "none"
                at = ("models", index, "deployments", number, "provider")
                yield at, f"no provider named {provider!r}", f"known: {known}; or add [providers.{provider}]"
            upstream = _table(deployment).get("model")
            if isinstance(upstream, str) and "*" in upstream and not (isinstance(name, str) and "*" in name):
                at = ("models", index, "deployments", number, "model")
                yield at, f"found {upstream!r}", "expected a '*' in the model's name too, or none here"
        yield from (((*at, number), *told) for at, number, told in _others_named(model, index, names))


def _others_named(model: dict[str, Any], index: int, names: list[str]) -> Iterator[tuple[Place, int, tuple[str, str]]]:
    for field in ("fallbacks", "substitute", "successor"):
        value = model.get(field)
        for number, other in enumerate([value] if isinstance(value, str) else _array(value)):
            if isinstance(other, str) and ("*" in other or not any(fnmatchcase(other, known) for known in names)):
                known = ", ".join(repr(n) for n in names if n != model.get("name")) or "none"
                yield ("models", index, field), number, (f"no model named {other!r}", f"known: {known}")


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _array(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dotted(at: Place) -> str:
    key = ""
    for part in at:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key
