"""One table of settings, read once at a door, frozen, and handed down.

The door is `load_settings`; nothing else in the workbench reads `workbench.toml`, and nothing else reads the
environment but `environment` and `own_identity` here. A secret never stands in a setting: it is a reference, and
`resolve_credential` gets it.
"""

from workbench.settings.admission import AdmissionSettings, LimitSettings
from workbench.settings.credential import Credential
from workbench.settings.credentials import resolve_credential
from workbench.settings.environment import (
    MountedEnvironment,
    has_display,
    home_folder,
    mounted_environment,
)
from workbench.settings.exploration import (
    STRICT_BUDGET,
    STRICT_LIMITS,
    ExplorationBudget,
    ExplorationLimits,
    ExplorationPolicy,
    ExplorationScopes,
)
from workbench.settings.identity import (
    Algorithm,
    IdentitySettings,
    JupyterHubSettings,
    Members,
    OidcSettings,
    Role,
    Roles,
)
from workbench.settings.load import config_path, load_settings, parse_settings
from workbench.settings.own_identity import IdentityToken, found_identity, identity_token
from workbench.settings.price import DatedPrice, Price
from workbench.settings.slack import SlackSettings
from workbench.settings.tables import (
    CONFIG_NAME,
    EMBEDDED_MODELS,
    ConfigFile,
    DeploymentSettings,
    GatewaySettings,
    JupyterSettings,
    Kind,
    ModelSettings,
    PolicySettings,
    ProviderSettings,
    RoutingSettings,
    Settings,
    StateSettings,
    Timeouts,
    TrackingSettings,
    embedded_default,
)

__all__ = [
    "CONFIG_NAME",
    "EMBEDDED_MODELS",
    "STRICT_BUDGET",
    "STRICT_LIMITS",
    "AdmissionSettings",
    "Algorithm",
    "ConfigFile",
    "Credential",
    "DatedPrice",
    "DeploymentSettings",
    "ExplorationBudget",
    "ExplorationLimits",
    "ExplorationPolicy",
    "ExplorationScopes",
    "GatewaySettings",
    "IdentitySettings",
    "IdentityToken",
    "JupyterHubSettings",
    "JupyterSettings",
    "Kind",
    "LimitSettings",
    "Members",
    "ModelSettings",
    "MountedEnvironment",
    "OidcSettings",
    "PolicySettings",
    "Price",
    "ProviderSettings",
    "Role",
    "Roles",
    "RoutingSettings",
    "Settings",
    "SlackSettings",
    "StateSettings",
    "Timeouts",
    "TrackingSettings",
    "config_path",
    "embedded_default",
    "found_identity",
    "has_display",
    "home_folder",
    "identity_token",
    "load_settings",
    "mounted_environment",
    "parse_settings",
    "resolve_credential",
]
