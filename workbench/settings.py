"""One table of settings, read once at a door, frozen, and handed down.

The door is `load_settings`; nothing else in the workbench reads `workbench.toml`, and nothing else reads the
environment but `mounted_environment` here. A secret never stands in a setting: it is a reference, and
`resolve_credential` gets it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from workbench.errors import MissingComponent, Problem, SettingsError

CONFIG_NAME = "workbench.toml"
EMBEDDED_MODELS = ("smollm2-135m", "smollm2-135m-q4", "all-minilm-l6-v2")

Seconds = Annotated[float, Field(gt=0)]
Kind = Literal["openai", "openai_compatible", "anthropic", "local"]
_KINDS_TO_COME = ("azure", "gemini", "vertex", "bedrock", "litellm")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Timeouts(_Table):
    """Seconds that the gateway waits for a provider."""

    connect: Seconds = Field(5, description="until a connection stands")
    first_token: Seconds = Field(60, description="until the first byte of an answer")
    idle: Seconds = Field(60, description="between two pieces of a stream")
    total: Seconds = Field(600, description="for the whole call")


def _not_yet(value: object) -> object:
    if value in ("third_party", "always"):
        raise ValueError("redaction is not built yet, so it can't be promised; expected 'never'")
    return value


class GatewaySettings(_Table):
    """The gateway process."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8780, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    stage: Literal["staging", "production"] = Field("staging", description="the stage that this gateway serves")
    max_body_bytes: int = Field(32 * 1024 * 1024, gt=0, description="largest request body, in bytes")
    timeouts: Timeouts = Field(Timeouts(), description="seconds to wait for a provider")
    redaction: Annotated[Literal["never"], BeforeValidator(_not_yet)] = Field(
        "never", description="when personal data is redacted; only 'never' until redaction is built"
    )


class StateSettings(_Table):
    """Where the gateway keeps keys, published prompts and the ledger."""

    database: str = Field("sqlite", description="'sqlite' (state.db below home) or a SQLAlchemy URL")
    limits: str = Field("memory", description="where limits are counted: 'memory'")
    lake: str = Field("lake", description="folder below home that the ledger is shipped to")
    ledger_sync: Literal["full", "normal"] = Field(
        "full", description="'full' survives a power cut, 'normal' only the end of the process"
    )


class TrackingSettings(_Table):
    """MLflow."""

    uri: str = Field("sqlite", description="'sqlite' (mlflow.db below home), or an MLflow tracking URI")


class JupyterSettings(_Table):
    """What the Jupyter extension does in each kernel."""

    mount: Literal["respect", "always"] = Field(
        "respect", description="whether a variable that the user has set stays ('respect') or is replaced ('always')"
    )
    key_expires_in: int = Field(12 * 3600, ge=60, description="life of a mounted key, in seconds")


class ExplorationPolicy(_Table):
    """What a key of `POST /keys/exploration` may be."""

    expires_in: int = Field(7 * 86400, ge=60, description="longest life, in seconds")


class PolicySettings(_Table):
    """Policies by kind of key."""

    exploration: ExplorationPolicy = Field(ExplorationPolicy(), description="exploration keys")


class Credential(_Table):
    """A reference to a secret: exactly one of its fields."""

    env: str | None = Field(None, description="name of an environment variable")
    file: str | None = Field(None, description="path of a file, relative to the configuration's folder")


class ProviderSettings(_Table):
    """A vendor account or an in-house server."""

    kind: Kind = Field(description="the protocol it speaks")
    base_url: str | None = Field(None, description="root of its API; default: what the provider's SDK documents")
    credential: Credential | None = Field(None, description="reference to its key")
    trust: Literal["third_party", "assured", "in_house"] = Field("third_party", description="who runs it")


class Price(_Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0, description="input tokens")
    output: float = Field(ge=0, description="output tokens")
    cached_input: float | None = Field(None, ge=0, description="cached input tokens; default: as input")


class DeploymentSettings(_Table):
    """One upstream model at one provider."""

    provider: str = Field(description="a name under [providers]")
    model: str = Field(description="the provider's own name of the model")
    capacity: Literal["on_demand", "reserved"] = Field("on_demand", description="how it is paid")
    tokens_per_minute: int | None = Field(None, gt=0, description="its quota")
    region: str | None = Field(None, description="where it runs")
    weight: float = Field(1.0, ge=0, description="share of the calls among equals")
    price: Price | None = Field(None, description="its own price; default: the model's")


class ModelSettings(_Table):
    """A name that callers use."""

    name: str = Field(min_length=1, description="the name")
    task: Literal["chat", "embedding", "image"] = Field("chat", description="what it does")
    fallbacks: list[str] = Field([], description="models that take a call when this one can't, in order")
    deployments: list[DeploymentSettings] = Field(min_length=1, description="where it runs")
    price: Price | None = Field(None, description="its price; default: the price book")


class _File(_Table):
    gateway: GatewaySettings = GatewaySettings()
    state: StateSettings = StateSettings()
    tracking: TrackingSettings = TrackingSettings()
    jupyter: JupyterSettings = JupyterSettings()
    policy: PolicySettings = PolicySettings()
    providers: dict[str, ProviderSettings] = Field({}, description="providers by name")
    models: list[ModelSettings] = Field([], description="models that callers may name")


class Settings(_File):
    """All settings of one installation."""

    home: Path
    """Folder of state, weights, tracking data and keys."""
    file: Path | None = None
    """The configuration file that was read; None for the embedded default."""

    @property
    def embedded(self) -> bool:
        """Whether no configuration file is in force."""
        return self.file is None

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the state database."""
        return f"sqlite:///{self.home / 'state.db'}" if self.state.database == "sqlite" else self.state.database

    @property
    def tracking_uri(self) -> str:
        """URI that MLflow is given."""
        return f"sqlite:///{self.home / 'mlflow.db'}" if self.tracking.uri == "sqlite" else self.tracking.uri


def embedded_default() -> dict[str, Any]:
    """Return the tables that hold when there is no file: provider `local` and its models."""
    return {
        "providers": {"local": {"kind": "local", "trust": "in_house"}},
        "models": [
            {
                "name": name,
                "task": "embedding" if name == "all-minilm-l6-v2" else "chat",
                "deployments": [{"provider": "local", "model": name}],
            }
            for name in EMBEDDED_MODELS
        ],
    }


# -- the doors -------------------------------------------------------------------------------------------------------


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return `$WORKBENCH_HOME`, or the platform's user-data folder; it need not exist."""
    environ = os.environ if environ is None else environ
    named = environ.get("WORKBENCH_HOME")
    return Path(named).expanduser().resolve() if named else Path(platformdirs.user_data_dir("genai-workbench"))


def config_path(named: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration file in force, or None.

    The first of: `named` (`--config`), `$WORKBENCH_CONFIG`, `./workbench.toml`, `$WORKBENCH_HOME/workbench.toml`.
    The first two are returned whether or not they exist: a file that was asked for is never passed over.
    """
    environ = os.environ if environ is None else environ
    asked = named or (Path(environ["WORKBENCH_CONFIG"]) if environ.get("WORKBENCH_CONFIG") else None)
    if asked is not None:
        return asked.expanduser().resolve()
    found = (Path.cwd() / CONFIG_NAME, home_folder(environ) / CONFIG_NAME)
    return next((path for path in found if path.is_file()), None)


def load_settings(
    named: Path | None = None, *, environ: Mapping[str, str] | None = None, credentials: bool = True
) -> Settings:
    """Read and check the whole configuration.

    Raises SettingsError, which lists every problem: unknown keys, wrong types, models that name no provider,
    credentials that are missing. `credentials=False` leaves the last out, for a process that calls no provider.
    """
    environ = os.environ if environ is None else environ
    path = config_path(named, environ)
    tables = embedded_default() if path is None else _read_toml(path)
    place = path.name if path else "the embedded default"
    problems: list[Problem] = []
    parsed: _File | None = None
    try:
        parsed = _File.model_validate(tables)
    except ValidationError as error:
        problems += [_problem(place, tables, details) for details in error.errors()]
    problems += _cross_check(place, tables)
    folder = path.parent if path else Path.cwd()
    if credentials:
        problems += _credential_problems(place, tables, folder, environ)
    if problems or parsed is None:
        raise SettingsError(problems)
    return Settings.model_construct(**dict(parsed), home=home_folder(environ), file=path)


def resolve_credential(
    credential: Credential, *, folder: Path, environ: Mapping[str, str] | None = None
) -> str:
    """Return the secret that a reference names; raises MissingComponent if it is not there."""
    environ = os.environ if environ is None else environ
    secret, source = _look_up(credential, folder, environ)
    if not secret:
        raise MissingComponent(f"The credential {source} is missing or empty.", hint=f"Set {source}.")
    return secret


class MountedEnvironment(_Table):
    """What the environment tells a client."""

    gateway_url: str | None = Field(None, description="WORKBENCH_GATEWAY_URL: root URL of the gateway")
    key_file: Path | None = Field(None, description="WORKBENCH_KEY_FILE: JSON file with the key")
    home: Path = Field(description="WORKBENCH_HOME, or its default")


def mounted_environment(environ: Mapping[str, str] | None = None) -> MountedEnvironment:
    """Return what the environment tells a client; no file is read."""
    environ = os.environ if environ is None else environ
    key_file = environ.get("WORKBENCH_KEY_FILE")
    return MountedEnvironment(
        gateway_url=environ.get("WORKBENCH_GATEWAY_URL") or None,
        key_file=Path(key_file) if key_file else None,
        home=home_folder(environ),
    )


def identity_token(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the token by which this process tells a configured gateway who it is, or None.

    `WORKBENCH_IDENTITY_TOKEN`, which is meant for the gateway, counts before the one that JupyterHub gives a server.
    """
    environ = os.environ if environ is None else environ
    return environ.get("WORKBENCH_IDENTITY_TOKEN") or environ.get("JUPYTERHUB_API_TOKEN") or None


# -- checks ----------------------------------------------------------------------------------------------------------


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            [Problem(str(path), error.strerror or "can't be read", "expected a readable TOML file")],
            hint="`workbench config init` writes one.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(str(path), f"not TOML: {error}", "expected a TOML document")]) from error


def _dotted(place: str, loc: tuple[int | str, ...]) -> str:
    key = ""
    for part in loc:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return f"{place}: {key}"


def _problem(place: str, tables: dict[str, Any], details: Any) -> Problem:
    where = _dotted(place, details["loc"])
    found = f"found {details['input']!r}"
    match details["type"]:
        case "extra_forbidden":
            return Problem(where, "unknown key", _expected_keys(details["loc"]))
        case "missing":
            return Problem(where, "missing", "expected a value")
        case "literal_error" if details["loc"][-1] == "kind" and details["input"] in _KINDS_TO_COME:
            return Problem(where, found, f"this kind is not built yet; expected {details['ctx']['expected']}")
        case "literal_error":
            return Problem(where, found, f"expected {details['ctx']['expected']}")
        case "value_error":
            return Problem(where, found, str(details["ctx"]["error"]))
        case _:
            message = details["msg"]
            return Problem(where, found, message[0].lower() + message[1:].replace("Input should be", "expected"))


def _expected_keys(loc: tuple[int | str, ...]) -> str:
    table: type[BaseModel] = _File
    for part in loc[:-1]:
        if isinstance(part, int) or part not in table.model_fields:
            continue
        table = _table_of(table.model_fields[part].annotation) or table
    known = list(table.model_fields)
    near = get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def _table_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _table_of(inner)) is not None:
            return found
    return None


def _cross_check(place: str, tables: dict[str, Any]) -> list[Problem]:
    """Check what one table says of another, on the raw tables, so that it is told beside wrong types."""
    problems: list[Problem] = []
    providers = tables.get("providers") if isinstance(tables.get("providers"), dict) else {}
    models = [m for m in tables.get("models") or [] if isinstance(m, dict)] if isinstance(
        tables.get("models"), list
    ) else []
    names = [str(m.get("name")) for m in models]
    assert isinstance(providers, dict)
    reserved = ("v1", "admin", "keys", "use-cases", "me", "healthz", "readyz", "metrics", "slack", "docs",
                "openapi.json", "redoc", "favicon.ico")  # fmt: skip
    for name, provider in providers.items():
        if name in reserved:
            problems.append(Problem(f"{place}: providers.{name}", "reserved name", "expected another name"))
        kind = provider.get("kind") if isinstance(provider, dict) else None
        if kind == "openai_compatible" and not provider.get("base_url"):
            problems.append(
                Problem(f"{place}: providers.{name}.base_url", "missing", "expected the root URL of its API")
            )
    for index, model in enumerate(models):
        where = f"{place}: models[{index}]"
        name = str(model.get("name"))
        if names.index(name) < index:
            problems.append(Problem(f"{where}.name", f"{name!r} stands twice", "expected each name once"))
        for number, deployment in enumerate(model.get("deployments") or []):
            provider = deployment.get("provider") if isinstance(deployment, dict) else None
            if isinstance(provider, str) and provider not in providers:
                known = ", ".join(map(repr, providers)) or "none"
                problems.append(
                    Problem(
                        f"{where}.deployments[{number}].provider",
                        f"no provider named {provider!r}",
                        f"known: {known}; add [providers.{provider}]",
                    )
                )
        for fallback in model.get("fallbacks") or []:
            if fallback not in names:
                problems.append(
                    Problem(f"{where}.fallbacks", f"no model named {fallback!r}", f"known: {', '.join(names)}")
                )
    return problems


def _credential_problems(
    place: str, tables: dict[str, Any], folder: Path, environ: Mapping[str, str]
) -> list[Problem]:
    problems: list[Problem] = []
    providers = tables.get("providers")
    for name, provider in (providers if isinstance(providers, dict) else {}).items():
        if not isinstance(provider, dict):
            continue
        where = f"{place}: providers.{name}.credential"
        raw = provider.get("credential")
        if raw is None:
            if provider.get("kind") in ("openai", "anthropic"):
                problems.append(Problem(where, "missing", 'expected a reference such as { env = "NAME" }'))
            continue
        try:
            credential = Credential.model_validate(raw)
        except ValidationError:
            if isinstance(raw, str):
                problems.append(Problem(where, "a secret in the file", 'expected a reference: { env = "NAME" }'))
            continue  # everything else has been told by the table's own check
        if (credential.env is None) == (credential.file is None):
            problems.append(Problem(where, "not one reference", 'expected { env = "NAME" } or { file = "path" }'))
            continue
        secret, source = _look_up(credential, folder, environ)
        if not secret:
            problems.append(Problem(where, f"{source} is missing or empty", f"set {source}"))
    return problems


def _look_up(credential: Credential, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    if credential.env is not None:
        return environ.get(credential.env, "").strip(), f"environment variable {credential.env}"
    path = folder / Path(credential.file or "").expanduser()
    try:
        return path.read_text("utf-8").strip(), f"file {path}"
    except (OSError, UnicodeDecodeError):
        return "", f"file {path}"
