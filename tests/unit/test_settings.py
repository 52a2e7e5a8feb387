from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from workbench.errors import Conflict, MissingComponent, SettingsError
from workbench.settings import (
    EMBEDDED_MODELS,
    Credential,
    config_path,
    home_folder,
    identity_token,
    load_settings,
    mounted_environment,
    parse_settings,
    resolve_credential,
)
from workbench.settings.document import markdown_table, rows, starting_file
from workbench.settings.edit import add_provider
from workbench.settings.in_force import settings_in_force
from workbench.settings.tables import ConfigFile
from workbench.settings.values import without_password

SECRET = "sk-proj-4bCdEfGhIjKlMnOpQrStUvWx"
REFERENCE = 'expected a reference: { env = "NAME" } or { file = "path" }'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "workbench.toml"


@pytest.fixture
def problems(file: Path):
    """Tell what is wrong with a text: `key: found; expected` each."""

    def find(text: str, *, environ: dict[str, str] | None = None, credentials: bool = True) -> list[str]:
        file.write_text(text)
        with pytest.raises(SettingsError) as caught:
            load_settings(file, environ={"WORKBENCH_HOME": "/nowhere", **(environ or {})}, credentials=credentials)
        assert SECRET not in str(caught.value)
        lines = [str(problem) for problem in caught.value.problems]
        assert all(line.startswith(f"{file}: ") for line in lines)
        return [line.removeprefix(f"{file}: ") for line in lines]

    return find


# -- what holds without a file ---------------------------------------------------------------------------------------


def test_without_a_file_the_embedded_models_stand_behind_provider_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={"WORKBENCH_HOME": str(tmp_path / "home")})
    assert settings.embedded
    assert [model.name for model in settings.models] == list(EMBEDDED_MODELS)
    assert settings.providers["local"].trust == "in_house"
    assert settings.database_url == f"sqlite:///{tmp_path}/home/state.db"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/home/mlflow.db"


def test_settings_can_not_be_changed(tmp_path):
    settings = load_settings(home=tmp_path, environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.gateway.port = 1


def test_the_file_is_looked_for_where_it_was_asked_for_then_here_then_at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = {"WORKBENCH_HOME": str(tmp_path / "home")}
    assert config_path(environ=environ) is None
    for place in (tmp_path / "home" / "workbench.toml", tmp_path / "workbench.toml"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("")
        assert config_path(environ=environ) == place
    environ["WORKBENCH_CONFIG"] = "asked.toml"
    assert config_path(environ=environ) == tmp_path / "asked.toml"
    assert config_path(Path("named.toml"), environ) == tmp_path / "named.toml"


def test_a_file_that_was_asked_for_and_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.toml.*No such file") as caught:
        load_settings(tmp_path / "absent.toml")
    assert "config init" in str(caught.value)


def test_the_home_is_the_one_that_is_told_else_the_one_of_the_environment(tmp_path):
    environ = {"WORKBENCH_HOME": str(tmp_path / "a")}
    assert load_settings(environ=environ).home == tmp_path / "a"
    assert load_settings(home=tmp_path / "b", environ=environ).home == tmp_path / "b"
    assert home_folder({}).name == "genai-workbench"


def test_relative_places_start_at_the_file(file):
    file.write_text('[state]\ndatabase = "sqlite:///mine.db"\n[tracking]\nuri = "sqlite:////abs/mlflow.db"')
    settings = load_settings(file)
    assert settings.database_url == f"sqlite:///{file.parent}/mine.db"
    assert settings.tracking_uri == "sqlite:////abs/mlflow.db"


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once(problems):
    found = problems(
        """
        [gateway]
        prot = 8780
        host = 7
        [providers.mine]
        kind = "openai"
        credential = { env = "MINE" }
        [[models]]
        name = "a"
        deployments = [{ provider = "mien", model = "b" }]
        """
    )
    assert sorted(found) == [
        "gateway.host: found 7; expected a text",
        "gateway.prot: unknown key; did you mean 'port'?",
        "models[0].deployments[0].provider: no provider named 'mien'; known: 'mine'; or add [providers.mien]",
        "providers.mine.credential: environment variable MINE is missing or empty; set environment variable MINE",
    ]


MISTAKES = {
    "colour = 1": f"colour: unknown key; expected one of {', '.join(ConfigFile.model_fields)}",
    "gateway = 1": "gateway: found 1; expected a table",
    "models = {}": "models: found a table with 0 entries; expected an array",
    "models = [5]": "models[0]: found 5; expected a table",
    "providers = []": "providers: found an array with 0 entries; expected a table",
    "[gateway]\nport = '1'": "gateway.port: found '1'; expected a whole number",
    "[gateway]\nport = true": "gateway.port: found True; expected a whole number",
    "[gateway]\nport = 65536": "gateway.port: found 65536; expected less than or equal to 65535",
    "[gateway.timeouts]\nidle = 0": "gateway.timeouts.idle: found 0; expected greater than 0",
    "[gateway]\nstage = 'test'": "gateway.stage: found 'test'; expected 'staging' or 'production'",
    "[gateway]\nredaction = 'always'": "gateway.redaction: found 'always'; "
    "redaction is not built yet, so it can't be promised; expected 'never'",
    "[state]\nlimits = 'tape'": "state.limits: found 'tape'; expected 'memory' or a URL such as "
    "'redis://redis.example.com:6379/0'",
    "[state]\ndatabase = 'db'": "state.database: found 'db'; "
    "expected 'sqlite' or a SQLAlchemy URL such as 'postgresql+psycopg://host/database'",
    "[tracking]\nuri = 'file:///runs'": "tracking.uri: found 'file:///runs'; "
    "expected 'sqlite', a database URL or a server such as 'http://mlflow.example.com'",
    "[providers.a]\nkind = 'cohere'": "providers.a.kind: found 'cohere'; expected 'openai', 'azure', 'anthropic', "
    "'gemini', 'vertex', 'bedrock', 'openai_compatible', 'local' or 'litellm'",
    "[providers.a]\nkind = ['openai']": "providers.a.kind: found an array with 1 entry; expected 'openai', 'azure', "
    "'anthropic', 'gemini', 'vertex', 'bedrock', 'openai_compatible', 'local' or 'litellm'",
    "[providers.a]\nkind = 'azure'\ncredential = { azure = 'default' }": "providers.a.base_url: missing; "
    "expected the resource's endpoint, such as https://NAME.openai.azure.com",
    "[providers.a]\nkind = 'bedrock'\nregion = 'eu-central-1'": "providers.a.credential: missing; "
    'expected a reference: { env = "NAME" }, { file = "path" } or { aws = "default" }',
    "[providers.a]\nkind = 'bedrock'\ncredential = { aws = 'default' }": "providers.a.region: missing; "
    "expected the AWS region, such as eu-central-1",
    "[providers.a]\nkind = 'bedrock'\nregion = 'eu'\ncredential = { google = 'default' }": "providers.a.credential: "
    "'google' is no sign-in of kind 'bedrock'; "
    'expected a reference: { env = "NAME" }, { file = "path" } or { aws = "default" }',
    "[providers.a]\nkind = 'vertex'\nlocation = 'l'\ncredential = { google = 'default' }": (
        "providers.a.project: missing; expected the Google Cloud project"
    ),
    "[providers.a]\nkind = 'vertex'\nproject = 'p'\nlocation = 'l'\ncredential = { google = 'mine' }": (
        "providers.a.credential.google: found a text, not shown here; expected 'default'"
    ),
    "[providers.a]\nkind = 'bedrock'\nregion = 'evil.example/#'\ncredential = { aws = 'default' }": (
        "providers.a.region: found 'evil.example/#'; expected small letters, digits and '-'"
    ),
    "[providers.a]\nkind = 'local'\nregion = 'eu'": "providers.a.region: means nothing to kind 'local'; "
    "expected it left out",
    "[providers.a]\nkind = 'openai'": f"providers.a.credential: missing; {REFERENCE}",
    "[providers.a]\nkind = 'openai_compatible'": "providers.a.base_url: missing; expected the root URL of its API",
    "[providers.a]\nkind = 'local'\nbase_url = 'localhost:1'": "providers.a.base_url: found 'localhost:1'; "
    "expected a URL such as 'https://api.example.com/v1'",
    "[providers.v1]\nkind = 'local'": "providers.v1: a name that the gateway uses for itself; expected another name",
    "[providers.'a/b']\nkind = 'local'": "providers.a/b: not a name for a path; "
    "expected letters, digits, '-', '_' and '.'",
    "[[models]]\nname = 'm'": "models[0].deployments: missing; expected a value",
    "[[models]]\nname = 'm'\ndeployments = 5": "models[0].deployments: found 5; expected an array",
    "[[models]]\nname = 'm'\ndeployments = []": "models[0].deployments: found an array with 0 entries; "
    "expected at least one entry",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_one_clear_problem_for_each_mistake(text, problems):
    assert problems(text) == [MISTAKES[text]]


LOCAL = "[providers.local]\nkind = 'local'\n"


def test_a_name_stands_once(problems):
    model = "[[models]]\nname = 'm'\ndeployments = [{ provider = 'local', model = 'x' }]\n"
    assert problems(LOCAL + model * 2) == ["models[1].name: 'm' stands twice; expected each name once"]


def test_a_fallback_must_be_a_model(problems):
    model = (
        "[[models]]\nname = 'm'\nfallbacks = ['m2', 'n']\ndeployments = [{ provider = 'local', model = 'x' }]\n"
        "[[models]]\nname = 'n'\ndeployments = [{ provider = 'local', model = 'x' }]\n"
    )
    assert problems(LOCAL + model) == ["models[0].fallbacks[0]: no model named 'm2'; known: 'n'"]


def test_a_file_that_is_no_toml_is_told(problems):
    assert problems("a = ")[0].startswith("not TOML")


ACCOUNT = "a service account's JSON in it, with client_email, private_key, token_uri"


@pytest.mark.parametrize(
    ("kind", "secret", "right"),
    [
        ("kind = 'bedrock'\nregion = 'eu-central-1'", "AKIA only", "ACCESS_KEY:SECRET_KEY[:SESSION_TOKEN] in it"),
        ("kind = 'bedrock'\nregion = 'eu-central-1'", "a:b:c:d", "ACCESS_KEY:SECRET_KEY[:SESSION_TOKEN] in it"),
        ("kind = 'vertex'\nproject = 'p'\nlocation = 'l'", "{}", ACCOUNT),
    ],
)  # fmt: skip
def test_a_cloud_secret_of_the_wrong_form_is_told_and_not_shown(kind, secret, right, problems):
    text = f"[providers.a]\n{kind}\ncredential = {{ env = 'CLOUD' }}"
    assert problems(text, environ={"CLOUD": secret}) == [
        f"providers.a.credential: environment variable CLOUD holds something else; expected {right}"
    ]


def test_every_kind_can_be_configured(file):
    account = {"client_email": "a@b", "private_key": "-", "token_uri": "https://oauth2.googleapis.com/token"}
    (file.parent / "account.json").write_text(json.dumps(account))
    file.write_text(
        """
        [providers.azure]
        kind = "azure"
        base_url = "https://mine.openai.azure.com"
        api_version = "2024-10-21"
        credential = { azure = "default" }
        [providers.vertex]
        kind = "vertex"
        project = "p"
        location = "europe-west4"
        credential = { file = "account.json" }
        [providers.bedrock]
        kind = "bedrock"
        region = "eu-central-1"
        credential = { aws = "a-profile" }
        [providers.static]
        kind = "bedrock"
        region = "eu-central-1"
        credential = { env = "AWS_KEYS" }
        [providers.gemini]
        kind = "gemini"
        credential = { env = "GEMINI" }
        [providers.mistral]
        kind = "litellm"
        litellm_provider = "mistral"
        credential = { env = "MISTRAL" }
        """
    )
    providers = load_settings(file, environ={"AWS_KEYS": "AK:s+/=", "GEMINI": "x", "MISTRAL": "x"}).providers
    assert providers["bedrock"].credential == Credential(aws="a-profile")
    assert providers["mistral"].litellm_provider == "mistral"


def test_credentials_are_left_out_for_who_calls_no_provider(file):
    file.write_text("[providers.a]\nkind = 'openai'\ncredential = { env = 'UNSET' }")
    assert load_settings(file, environ={}, credentials=False).providers["a"].credential == Credential(env="UNSET")


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "credential",
    [
        f"'{SECRET}'",
        f"{{ env = '{SECRET}' }}",
        f"{{ file = '{SECRET}' }}",
        f"{{ key = '{SECRET}' }}",
        f"{{ env = 'A', file = '{SECRET}' }}",
        f"['{SECRET}']",
        "{ env = 'two words' }",
        "{ env = 5 }",
        "{}",
    ],
)
def test_a_literal_secret_is_refused_and_never_printed(credential, problems):
    (told,) = problems(f"[providers.a]\nkind = 'openai'\ncredential = {credential}")
    assert told.startswith("providers.a.credential")


def test_a_secret_in_a_wrong_place_is_not_printed(problems):
    assert problems(f"[providers]\na = '{SECRET}'") == ["providers.a: found a text, not shown here; expected a table"]


def test_a_secret_within_a_url_is_refused_and_not_printed(problems):
    (told,) = problems(f"[providers.a]\nkind = 'local'\nbase_url = 'https://me:{SECRET}@host/v1'")
    assert "a secret may not stand in the file" in told
    assert SECRET not in told


def test_passwords_within_urls_are_hidden():
    assert without_password("postgresql+psycopg://me:pw@host/db") == "postgresql+psycopg://me:***@host/db"
    assert without_password("redis://:pw@host") == "redis://:***@host"
    assert without_password("http://host:1/a@b") == "http://host:1/a@b"


def test_a_credential_is_got_from_where_it_is_kept(tmp_path):
    (tmp_path / "key").write_text("  s3cret\n")
    assert resolve_credential(Credential(file="key"), folder=tmp_path, environ={}) == "s3cret"
    assert resolve_credential(Credential(env="K"), folder=tmp_path, environ={"K": "s3cret"}) == "s3cret"
    with pytest.raises(MissingComponent, match="environment variable K"):
        resolve_credential(Credential(env="K"), folder=tmp_path, environ={})


def test_only_a_gateways_key_is_taken_from_the_environment():
    assert mounted_environment({"OPENAI_API_KEY": "wbx-1"}).gateway_key == "wbx-1"
    assert mounted_environment({"OPENAI_API_KEY": SECRET}).gateway_key is None
    assert "wbx-1" not in repr(mounted_environment({"OPENAI_API_KEY": "wbx-1"}))


def test_the_workbenchs_own_identity_counts_before_jupyterhubs():
    assert identity_token({"JUPYTERHUB_API_TOKEN": "hub"}) == "hub"
    assert identity_token({"JUPYTERHUB_API_TOKEN": "hub", "WORKBENCH_IDENTITY_TOKEN": "own"}) == "own"
    assert identity_token({}) is None


# -- documents of the table ------------------------------------------------------------------------------------------


def test_every_setting_is_explained():
    assert [row.key for row in rows() if not row.help] == []
    assert len({row.key for row in rows()}) == len(list(rows()))


def test_the_table_holds_every_section():
    told = markdown_table()
    assert "| `gateway.timeouts.connect` | `number` | `5` | until a connection stands |" in told
    assert all(f"| `{section}" in told for section in ConfigFile.model_fields)


def test_the_file_to_start_from_says_what_holds_without_one(file):
    default = load_settings(home=file.parent, environ={})
    written = parse_settings(starting_file(), file=file, environ={"WORKBENCH_HOME": str(file.parent)})
    assert written.model_dump(exclude={"file"}) == default.model_dump(exclude={"file"})


def test_every_line_of_the_file_to_start_from_is_right_without_its_mark(file):
    lines = [
        line.removeprefix("# ") if line.startswith(("# [", "# ")) and ("=" in line or line.startswith("# [")) else line
        for line in starting_file().splitlines()
    ]
    text = "\n".join(lines)
    assert len(tomllib.loads(text)["models"]) == len(EMBEDDED_MODELS) + 1
    settings = parse_settings(text, file=file, environ={"OPENAI_API_KEY": "x"})
    assert settings.gateway == load_settings(home=file.parent, environ={}).gateway


def test_settings_in_force_tell_where_they_come_from(file):
    file.write_text(
        "[gateway]\nport = 1\n[gateway.timeouts]\nidle = 2\n[state]\ndatabase = 'postgresql://me@h/d'\n" + LOCAL
    )
    lines = {line.key: line for line in settings_in_force(load_settings(file))}
    assert (lines["gateway.port"].value, lines["gateway.port"].source) == (1, "workbench.toml")
    assert (lines["gateway.host"].value, lines["gateway.host"].source) == ("127.0.0.1", "default")
    assert lines["gateway.timeouts.idle"].source == "workbench.toml"
    assert lines["gateway.timeouts.total"].source == "default"
    assert lines["jupyter.mount"].source == "default"
    assert lines["providers.local.kind"].source == "workbench.toml"
    assert lines["state.database"].value == "postgresql://me@h/d"


# -- changing the file -----------------------------------------------------------------------------------------------

MINE = {"kind": "openai", "credential": {"env": "MINE"}}
MODEL = {"name": "big", "task": "chat", "deployments": [{"provider": "mine", "model": "gpt-x"}]}


def test_ones_own_provider_stands_beside_the_embedded_models(file):
    settings = add_provider(file, "mine", MINE, models=[MODEL], environ={"MINE": "x"})
    assert list(settings.providers) == ["local", "mine"]
    assert [model.name for model in settings.models] == [*EMBEDDED_MODELS, "big"]
    assert load_settings(file, environ={"MINE": "x"}).models == settings.models


def test_comments_and_rights_of_the_file_stay(file):
    file.write_text("# mine\n[gateway] # here\nport = 0 # any\n" + LOCAL)
    file.chmod(0o640)
    add_provider(file, "mine", MINE, models=[MODEL], environ={"MINE": "x"})
    text = file.read_text()
    assert text.startswith("# mine\n[gateway] # here\nport = 0 # any\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_inline_providers_and_models_can_be_added_to(file):
    file.write_text(
        "providers = { local = { kind = 'local' } }\n"
        "models = [{ name = 'a', deployments = [{ provider = 'local', model = 'a' }] }]\n"
    )
    settings = add_provider(file, "mine", MINE, models=[MODEL], environ={"MINE": "x"})
    assert [model.name for model in settings.models] == ["a", "big"]


@pytest.mark.parametrize(
    ("name", "provider", "models", "environ"),
    [
        ("mine", {**MINE, "kind": "opanai"}, [], {"MINE": "x"}),
        ("mine", MINE, [], {}),
        ("mine", MINE, [{**MODEL, "name": EMBEDDED_MODELS[0]}], {"MINE": "x"}),
        ("v1", MINE, [], {"MINE": "x"}),
    ],
)
def test_a_file_that_would_be_wrong_is_not_written(name, provider, models, environ, file):
    file.write_text(starting_file())
    with pytest.raises(SettingsError):
        add_provider(file, name, provider, models=models, environ=environ)
    assert file.read_text() == starting_file()
    assert list(file.parent.iterdir()) == [file]


def test_a_provider_is_added_once(file):
    add_provider(file, "mine", MINE, environ={"MINE": "x"})
    before = file.read_text()
    with pytest.raises(Conflict):
        add_provider(file, "mine", MINE, environ={"MINE": "x"})
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[state]\ndatabase = "postgresql+psycopg://me:pa55@host/db"\n', "state.database"),
        ('[state]\nlimits = "redis://:pa55@host/0"\n', "state.limits"),
        ('[tracking]\nuri = "https://me:pa55@mlflow.example.com"\n', "tracking.uri"),
    ],
)
def test_a_password_within_a_url_is_refused_and_not_repeated(text, key, tmp_path):
    with pytest.raises(SettingsError) as told:
        parse_settings(text, file=tmp_path / "workbench.toml", environ={})
    assert key in str(told.value)
    assert "pa55" not in str(told.value)


def a_model(tmp_path, name, upstream, more=""):
    text = f'''[providers.a]\nkind = "local"\n[[models]]\nname = "{name}"\n{more}
    deployments = [{{ provider = "a", model = "{upstream}" }}]\n'''
    return parse_settings(text, file=tmp_path / "workbench.toml", environ={}).models[0]


def test_a_pattern_of_models_has_one_star_and_may_hand_it_on(tmp_path):
    assert a_model(tmp_path, "a/*", "*").deployments[0].model == "*"
    with pytest.raises(SettingsError, match="expected one '\\*' at most"):
        a_model(tmp_path, "*/*", "m")
    with pytest.raises(SettingsError, match="expected a '\\*' in the model's name too"):
        a_model(tmp_path, "a", "m-*")


def test_a_substitute_is_one_name_or_a_list_of_names_that_are_known(tmp_path):
    assert a_model(tmp_path, "a", "m", 'substitute = "a"').substitute == ["a"]
    with pytest.raises(SettingsError, match=r"models\[0\]\.substitute\[0\]: no model named 'b'"):
        a_model(tmp_path, "a", "m", 'substitute = ["b"]')
    with pytest.raises(SettingsError, match=r"models\[0\]\.substitute\[0\]: no model named 'a/\*'"):
        a_model(tmp_path, "a/*", "m", 'substitute = ["a/*"]')
    assert a_model(tmp_path, "a/*", "m", 'substitute = ["a/b"]').substitute == ["a/b"]
