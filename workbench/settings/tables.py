"""The one table of settings: name, type, default, help. What is written here is also the documentation.

Nothing is read here. A secret never stands in a setting: it is a `Credential`, a reference to where it is kept.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from workbench.settings.admission import AdmissionSettings
from workbench.settings.alerts import AlertSettings
from workbench.settings.app import AppSettings
from workbench.settings.audit import AuditSettings
from workbench.settings.credential import Credential
from workbench.settings.exploration import ExplorationPolicy
from workbench.settings.fairness import FairnessSettings
from workbench.settings.identity import IdentitySettings
from workbench.settings.price import DatedPrice, Price
from workbench.settings.published import PublishedSettings
from workbench.settings.reports import ReportSettings
from workbench.settings.review import ReviewSettings
from workbench.settings.slack import SlackSettings
from workbench.settings.table import Table
from workbench.settings.telemetry import TelemetrySettings
from workbench.settings.values import (
    http_url,
    lake_url,
    limits_place,
    mlflow_uri,
    model_name,
    not_built,
    one_or_more,
    sqlalchemy_url,
)

CONFIG_NAME = "workbench.toml"
EMBEDDED_MODELS = ("smollm2-135m", "smollm2-135m-q4", "all-minilm-l6-v2")

_PLACE = "^[a-z0-9-]+$"
"""A cloud's region: it stands in the name of a host."""
Seconds = Annotated[float, Field(gt=0)]
Kind = Literal["openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "openai_compatible", "local", "litellm"]


class Timeouts(Table):
    """Seconds that the gateway waits for a provider."""

    connect: Seconds = Field(5, description="until a connection stands")
    first_token: Seconds = Field(60, description="until the first token of a stream")
    answer: Seconds | None = Field(None, description="until a plain answer begins; default: five times first_token")
    idle: Seconds = Field(60, description="between two pieces of a stream")
    total: Seconds = Field(600, description="for the whole call")

    @property
    def plain_answer(self) -> float:
        """Seconds until a plain answer begins: all its tokens are made before its first byte."""
        return self.first_token * 5 if self.answer is None else self.answer


class GatewaySettings(Table):
    """The gateway process."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8780, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    stage: Literal["staging", "production"] = Field("staging", description="the stage that this gateway serves")
    max_body_bytes: int = Field(32 * 1024 * 1024, gt=0, description="largest request body, in bytes")
    other_stage_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        None,
        description="root URL of the gateway of the other stage, told to keys that came to the wrong one",
        examples=["https://staging.gateway.example.com"],
    )
    files_provider: str | None = Field(
        None,
        description="a name under [providers]: who keeps files, batches and jobs; default: the first of kind openai",
    )
    metrics_token: Credential | None = Field(
        None, description="reference to a token that may read /metrics and nothing else; an admin always may"
    )
    timeouts: Timeouts = Field(Timeouts(), description="seconds to wait for a provider")
    redaction: Annotated[
        Literal["never"], BeforeValidator(not_built("redaction", "third_party", "always", right="never"))
    ] = Field("never", description="when personal data is redacted; only 'never' until redaction is built")


class StateSettings(Table):
    """Where the gateway keeps keys, published prompts and the ledger."""

    database: Annotated[str, AfterValidator(sqlalchemy_url)] = Field(
        "sqlite", description="'sqlite' (state.db below home) or a SQLAlchemy URL"
    )
    limits: Annotated[str, AfterValidator(limits_place)] = Field(
        "memory",
        description="where limits are counted: 'memory', or the URL of a Redis where gateways count them together",
        examples=["redis://redis.example.com:6379/0"],
    )
    limits_credential: Credential | None = Field(None, description="reference to the password of that Redis")
    limits_when_down: Literal["refuse", "local"] = Field(
        "refuse",
        description="while that Redis is gone: 'refuse' calls that have limits, or let each gateway count for itself "
        "('local')",
    )
    lake: Annotated[str, AfterValidator(lake_url)] = Field(
        "lake", description="where the ledger is shipped to: a folder below home, or an fsspec URL: s3://bucket/prefix"
    )
    ledger_sync: Literal["full", "normal"] = Field(
        "full", description="'full' survives a power cut, 'normal' only the end of the process"
    )


class TrackingSettings(Table):
    """MLflow."""

    uri: Annotated[str, AfterValidator(mlflow_uri)] = Field(
        "sqlite", description="'sqlite' (mlflow.db below home), or an MLflow tracking URI"
    )


class JupyterSettings(Table):
    """What the Jupyter extension does in each kernel."""

    mount: Literal["respect", "always"] = Field(
        "respect", description="whether a variable that the user has set stays ('respect') or is replaced ('always')"
    )
    key_expires_in: int = Field(
        12 * 3600, ge=5, description="life of a mounted key, in seconds; it is renewed before it ends"
    )
    keep_hub_token: bool = Field(False, description="whether JUPYTERHUB_API_TOKEN stays in kernels' environments")


class PolicySettings(Table):
    """Policies by kind of key."""

    exploration: ExplorationPolicy = Field(ExplorationPolicy(), description="exploration keys")


class RoutingSettings(Table):
    """How deployments are chosen, passed over and tried again."""

    failures: int = Field(5, ge=1, description="failures in a row after which a deployment is passed over")
    failure_share: float = Field(
        0.5, gt=0, le=1, description="share of failures among 10 or more calls in 30 s that does the same"
    )
    cool_seconds: Seconds = Field(5, description="how long it is passed over; doubles each time it fails again")
    longest_cool_seconds: Seconds = Field(60, description="longest time that it is passed over for failures")
    longest_wait: float = Field(
        2, ge=0, description="longest Retry-After, in seconds, that a call waits for when nothing else can take it"
    )
    retries: int = Field(
        1, ge=0, le=2, description="how often a deployment that answered 5xx, or not at all, is asked again when "
        "nothing else can take the call; never where it may have made an answer, and never on native paths",
    )  # fmt: skip
    retry_share: float = Field(0.2, ge=0, le=1, description="retries at most, as a share of the calls")
    retries_per_second: float = Field(10, ge=0, description="retries that there may be beside that share")


class ProviderSettings(Table):
    """A vendor account or an in-house server."""

    kind: Kind = Field(description="the protocol it speaks", examples=["openai"])
    base_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        None,
        description="root of its API; default: what the provider's SDK documents",
        examples=["https://api.openai.com/v1"],
    )
    credential: Credential | None = Field(None, description="reference to its key, or to the sign-in of a cloud")
    trust: Literal["third_party", "assured", "in_house"] = Field("third_party", description="who runs it")
    region: str | None = Field(None, pattern=_PLACE, description="bedrock: the AWS region, such as eu-central-1")
    project: str | None = Field(None, min_length=1, description="vertex: the Google Cloud project")
    location: str | None = Field(
        None, pattern=_PLACE, description="vertex: where it runs, such as europe-west4, or global"
    )
    api_version: str | None = Field(
        None, min_length=1, description="azure: api-version of the deployments path; without one the v1 path is used"
    )
    litellm_provider: str | None = Field(
        None, min_length=1, description="litellm: its name of the provider, such as mistral; default: what stands "
        "before the first / of a deployment's model",
    )  # fmt: skip


class DeploymentSettings(Table):
    """One upstream model at one provider."""

    provider: str = Field(description="a name under [providers]", examples=["openai"])
    model: str = Field(description="the provider's own name of the model", examples=["gpt-4o-mini"])
    capacity: Literal["on_demand", "reserved"] = Field("on_demand", description="how it is paid")
    tokens_per_minute: int | None = Field(
        None, gt=0, description="its quota; calls go where there is room", examples=[200000]
    )
    concurrent: int | None = Field(None, gt=0, description="calls that it takes at once", examples=[16])
    region: str | None = Field(None, description="where it runs", examples=["eu"])
    weight: float = Field(1.0, ge=0, description="share of the tokens; with 0 it only stands in for the others")
    price: Price | None = Field(None, description="its own price; default: the model's")
    reserved_usd_per_hour: float | None = Field(
        None, ge=0, description="what its reserved capacity costs, used or not; its calls then cost nothing"
    )
    reserved_from: date | None = Field(
        None, description="first day, UTC, that its hours are booked for; default: the day before the first settling"
    )

    @model_validator(mode="after")
    def _only_what_is_reserved(self) -> Self:
        if self.capacity != "reserved" and (self.reserved_usd_per_hour is not None or self.reserved_from is not None):
            raise ValueError('only capacity = "reserved" is paid by the hour')
        return self


class ModelSettings(Table):
    """A name that callers use."""

    name: Annotated[str, AfterValidator(model_name)] = Field(
        min_length=1,
        description="the name; with one '*' all names that fit, '*' in a deployment's model standing for the same",
        examples=["gpt-4o-mini"],
    )
    task: Literal["chat", "embedding", "image", "transcription", "speech", "moderation", "rerank"] = Field(
        "chat", description="what it does; chat models take completions and responses too"
    )
    fallbacks: list[str] = Field([], description="models that take a call when this one can't, in order")
    substitute: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        [], description="similar models whose reserved capacity may take its calls, in order"
    )
    substitution: Literal["when_full", "prefer_reserved"] = Field(
        "when_full", description="substitutes come when its own deployments have no room, or before its on-demand ones"
    )
    deployments: list[DeploymentSettings] = Field(min_length=1, description="where it runs")
    price: Price | None = Field(None, description="its price; default: the price book")
    description: str | None = Field(None, description="what it is good for, told by the catalogue")
    reference: Annotated[str, AfterValidator(http_url)] | None = Field(
        None, description="its documentation; default: the price book's source"
    )
    deprecated_on: date | None = Field(
        None, description="day from which on callers are warned, such as 2027-01-31; default: what the price book tells"
    )
    successor: str | None = Field(None, description="model to use in its place once it is deprecated")
    modalities: list[Literal["text", "image", "pdf", "audio", "video"]] = Field(
        [], description="what it reads; default: what the price book tells"
    )
    context_tokens: int | None = Field(None, gt=0, description="most tokens of a prompt; default: the price book's")
    max_output_tokens: int | None = Field(None, gt=0, description="most tokens of an answer; default: the price book's")


class ConfigFile(Table):
    """The whole file."""

    gateway: GatewaySettings = GatewaySettings()
    state: StateSettings = StateSettings()
    tracking: TrackingSettings = TrackingSettings()
    jupyter: JupyterSettings = JupyterSettings()
    policy: PolicySettings = PolicySettings()
    identity: IdentitySettings = IdentitySettings()
    slack: SlackSettings = SlackSettings()
    routing: RoutingSettings = RoutingSettings()
    admission: AdmissionSettings = AdmissionSettings()
    fairness: FairnessSettings = FairnessSettings()
    review: ReviewSettings = ReviewSettings()
    published: PublishedSettings = PublishedSettings()
    audit: AuditSettings = AuditSettings()
    alerts: AlertSettings = AlertSettings()
    reports: ReportSettings = ReportSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    app: AppSettings = AppSettings()
    providers: dict[str, ProviderSettings] = Field({}, description="providers by name")
    models: list[ModelSettings] = Field([], description="models that callers may name")
    prices: list[DatedPrice] = Field([], description="prices by the providers' own names, from a day on")


class Settings(ConfigFile):
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
    def folder(self) -> Path:
        """Where relative paths of the configuration start."""
        return self.home if self.file is None else self.file.parent

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the state database."""
        return self._sqlite("state.db") if self.state.database == "sqlite" else self._absolute(self.state.database)

    @property
    def lake_url(self) -> str:
        """Where the ledger is shipped to: an absolute path, or an fsspec URL."""
        return self.state.lake if "://" in self.state.lake else str(self.home / self.state.lake)

    @property
    def tracking_uri(self) -> str:
        """URI that MLflow is given."""
        return self._sqlite("mlflow.db") if self.tracking.uri == "sqlite" else self._absolute(self.tracking.uri)

    def _sqlite(self, name: str) -> str:
        return f"sqlite:///{self.home / name}"

    def _absolute(self, url: str) -> str:
        scheme, separator, path = url.partition(":///")
        return f"{scheme}{separator}{self.folder / path}" if separator and scheme.startswith("sqlite") else url


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
