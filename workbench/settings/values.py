"""Checks of single values; each says what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_PREFIX = re.compile(
    r"(sk|wbx|wbp|xai|gsk|hf|ghp|pk|rk)[-_].{8,}|AKIA[A-Z0-9]{12,}|AIza.{20,}|ey[A-Za-z0-9_-]{20,}\."
)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/=_-]{32,}")


def is_secret_like(text: str) -> bool:
    """Return whether a text looks like a key rather than the name of a place where one is kept."""
    return bool(_KEY_PREFIX.match(text) or _RANDOM.fullmatch(text))


def is_variable_name(text: str) -> bool:
    """Return whether a text can name an environment variable."""
    return bool(_VARIABLE.fullmatch(text))


def http_url(value: str) -> str:
    """Pass an http(s) URL without user name, query or fragment."""
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError("expected a URL such as 'https://api.example.com/v1'")
    if parts.username or parts.password:
        raise ValueError("a secret may not stand in the file; expected the URL alone, and `credential` beside it")
    return value.rstrip("/")


def sqlalchemy_url(value: str) -> str:
    """Pass 'sqlite' or a SQLAlchemy URL."""
    if value != "sqlite" and "://" not in value:
        raise ValueError("expected 'sqlite' or a SQLAlchemy URL such as 'postgresql+psycopg://host/database'")
    return _without_secret(value, "the driver's own place for it, such as ~/.pgpass or PGPASSWORD")


def limits_place(value: str) -> str:
    """Pass 'memory' or the URL of a Redis without a password."""
    if value != "memory" and not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected 'memory' or a URL such as 'redis://redis.example.com:6379/0'")
    return _without_secret(value, "`limits_credential` beside it")


def mlflow_uri(value: str) -> str:
    """Pass 'sqlite' or a URI that MLflow can use; its file store is no longer one."""
    if value != "sqlite" and ("://" not in value or value.startswith("file:")):
        raise ValueError("expected 'sqlite', a database URL or a server such as 'http://mlflow.example.com'")
    return _without_secret(value, "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the driver's own place")


def lake_url(value: str) -> str:
    """Pass a folder or an fsspec URL."""
    if not value or (":" in value and "://" not in value):
        raise ValueError("expected a folder such as 'lake', or an fsspec URL such as 's3://bucket/prefix'")
    return _without_secret(value, "the store's own place for it, such as AWS_PROFILE")


def model_name(value: str) -> str:
    """Pass a name, or a pattern with one `*` that lets unlisted models pass."""
    if value.count("*") > 1:
        raise ValueError("expected one '*' at most, such as 'openai/*'")
    return value


def one_or_more(value: object) -> object:
    """Take a single text for a list of one."""
    return [value] if isinstance(value, str) else value


def _without_secret(url: str, place: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        raise ValueError(f"a secret may not stand in the file; expected the URL without a password, and {place}")
    return url


def not_built(what: str, *values: str, right: str) -> Callable[[object], object]:
    """Return a check that refuses values whose meaning is planned and not built."""

    def check(value: object) -> object:
        if value in values:
            raise ValueError(f"{what} is not built yet, so it can't be promised; expected {right!r}")
        return value

    return check


def without_password(url: str) -> str:
    """Return a URL with its password hidden."""
    return re.sub(r"(://[^/@\s:]*:)[^/\s]*@", r"\1***@", url)
