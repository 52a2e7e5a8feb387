"""The state database: keys, published prompts and feedback, their tables on one screen.

Any SQLAlchemy URL; SQLite is opened in WAL mode. The ledger is not here: it has a spool of its own.
Every function that uses the engine blocks, so the event loop calls it in a thread.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from workbench.errors import IntegrityError, InvalidInput, MissingComponent, Unavailable
from workbench.gateway.standing_file import StandingFile

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION = 8
BUSY_SECONDS = 5.0
_SECRET_BYTES = 32

KEYS, PROMPTS, MODELS, CONFIGURATION, USE_CASES = "keys", "prompts", "models", "configuration", "use_cases"
"""Topics whose changes other processes follow."""
FEEDBACK, MONEY, ROLLOUT_CALLS = "feedback", "money", "rollout_calls"
"""Topics that nobody follows: what belongs to one is written one at a time, whoever writes."""

BUDGETS = "budgets"
"""Temporary raises of budgets, which other processes follow."""

metadata = sa.MetaData()

schema_table = sa.Table("workbench_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

keys_table = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("owner", sa.String(200), nullable=False, index=True),
    sa.Column("use_case", sa.String(200)),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("lease", sa.String(64)),
    sa.Column("rotated_from", sa.String(40)),
    sa.Column("account", sa.String(40), index=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),
    sa.Column("budget", sa.JSON),
    sa.Column("stopped", sa.String(40)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
)

changes_table = sa.Table(
    "changes",
    metadata,
    sa.Column("topic", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)

models_table = sa.Table(
    "registered_models",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("model", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

published_table = sa.Table(
    "published_prompts",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("alias", sa.String(100), nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("record_hash", sa.String(64), nullable=False),
)

feedback_table = sa.Table(
    "feedback",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("key_id", sa.String(40), nullable=False),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.UniqueConstraint("owner", "request_id"),
    sqlite_autoincrement=True,  # a number that was drained once is never given again
)

rollout_outcomes_table = sa.Table(
    "rollout_outcomes",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rollout", sa.String(40), nullable=False, index=True),
    sa.Column("arm", sa.String(100), nullable=False),
    sa.Column("version", sa.String(20), nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, unique=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("called_at", sa.String(32), nullable=False),
    sqlite_autoincrement=True,
)

rollout_calls_table = sa.Table(
    "rollout_calls",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("ledger", sa.String(40), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("rollout", sa.String(40), nullable=False),
    sa.Column("arm", sa.String(100), nullable=False),
    sa.Column("version", sa.String(20), nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("called_at", sa.String(32), nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("latency_ms", sa.Double),
    sa.Column("cost_usd", sa.Double),
    sa.Index("rollout_calls_in_order", "rollout", "seq"),
    sqlite_autoincrement=True,
)

rollout_looks_table = sa.Table(
    "rollout_looks",
    metadata,
    sa.Column("rollout", sa.String(40), primary_key=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("look", sa.JSON, nullable=False),
)

secrets_table = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.LargeBinary(64), nullable=False),
)

stored_objects_table = sa.Table(
    "stored_objects",
    metadata,
    sa.Column("id", sa.String(1000), primary_key=True),
    sa.Column("owner", sa.String(420), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("provider", sa.String(200), nullable=False),
    sa.Column("upstream_id", sa.String(500), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("seen", sa.JSON, nullable=False),
    sa.Column("most_usd", sa.Double),
    sa.Index("stored_objects_of_owner", "owner", "kind", "created_at"),
)

settlements_table = sa.Table(
    "settlements",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("provider", sa.String(200), nullable=False),
    sa.Column("upstream_id", sa.String(500), nullable=False),
    sa.Column("path", sa.String(500), nullable=False),
    sa.Column("key_id", sa.String(40)),
    sa.Column("account", sa.String(40)),
    sa.Column("owner", sa.String(200)),
    sa.Column("use_case", sa.String(200)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("taken_until", sa.Double),
    sa.Column("settled_at", sa.Double, index=True),
    sa.Column("cost_usd", sa.Double),
    sa.Column("note", sa.String(400)),
    sa.Column("held", sa.BigInteger, index=True),
    sa.Column("paying", sa.String(80)),
)

repeats_table = sa.Table(
    "repeats",
    metadata,
    sa.Column("owner", sa.String(420), primary_key=True),
    sa.Column("path", sa.String(200), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("answer", sa.LargeBinary),
)

use_cases_table = sa.Table(
    "use_cases",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)

use_case_events_table = sa.Table(
    "use_case_events",
    metadata,
    sa.Column("use_case", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event", sa.JSON, nullable=False),
)

acknowledgements_table = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("identity", sa.String(200), primary_key=True),
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("text_hash", sa.String(64), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

budget_raises_table = sa.Table(
    "budget_raises",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("budget", sa.JSON, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

lessees_table = sa.Table(
    "lessees",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("ledger", sa.String(40), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("writer", sa.String(40), nullable=False),
    sa.Column("read_to", sa.BigInteger, nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False),
)

money_table = sa.Table(
    "money",
    metadata,
    sa.Column("account", sa.String(700), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("spent_day", sa.BigInteger, nullable=False),
    sa.Column("month", sa.Integer, nullable=False),
    sa.Column("spent_month", sa.BigInteger, nullable=False),
    sa.Column("wanted", sa.BigInteger, nullable=False),
    sa.Index("money_of_subject", "kind", "name"),
)

money_leases_table = sa.Table(
    "money_leases",
    metadata,
    sa.Column("lessee", sa.String(40), primary_key=True),
    sa.Column("account", sa.String(700), primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("seen", sa.BigInteger, nullable=False),
)

lost_leases_table = sa.Table(
    "lost_leases",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("ledger", sa.String(40), nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
)

alerts_table = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("once", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
)

alert_deliveries_table = sa.Table(
    "alert_deliveries",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("destination", sa.String(200), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double),
    sa.Column("sent_at", sa.Double),
    sa.Column("error", sa.Text),
)

alert_episodes_table = sa.Table(
    "alert_episodes",
    metadata,
    sa.Column("subject", sa.String(500), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("goes_on", sa.Boolean, nullable=False),
)

alert_costs_table = sa.Table(
    "alert_costs",
    metadata,
    sa.Column("ledger", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(500), primary_key=True),
    sa.Column("period", sa.String(10), primary_key=True),
    sa.Column("usd", sa.Double, nullable=False),
)

alert_lease_table = sa.Table(
    "alert_lease",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)

_CONNECTIONS = 5
"""Connections to a server that are kept, and as many again where they do not do."""
_BOUNDED: dict[str, dict[str, Any]] = {
    "psycopg": {
        "connect_timeout": int(BUSY_SECONDS), "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
        "tcp_user_timeout": int(1000 * BUSY_SECONDS), "application_name": "workbench",
        "options": f"-c statement_timeout={int(1000 * BUSY_SECONDS)} -c client_connection_check_interval=1000"
        f" -c idle_in_transaction_session_timeout={int(4000 * BUSY_SECONDS)}",
    }
}  # fmt: skip
"""By driver: what keeps a server that is slow, locked or gone from being waited for without end."""


ledger_anchors_table = sa.Table(
    "ledger_anchors",
    metadata,
    sa.Column("writer", sa.String(60), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
)

ledger_deletions_table = sa.Table(
    "ledger_deletions",
    metadata,
    sa.Column("writer", sa.String(60), primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("why", sa.String(200), nullable=False),
)


_log = logging.getLogger("workbench.gateway.state")


class State:
    """The open state database."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self._engine = _engine(self.url)
        self.is_file = self.url.get_backend_name() == "sqlite"
        """Whether it is a file of this machine, so that no other machine's gateway shares it."""
        self._file: StandingFile | None = None
        self._returning = threading.Lock()

    def open(self) -> None:
        """Create, check or upgrade the schema.

        Raises IntegrityError for a database that a newer program has written, Unavailable where it can't be opened.
        """
        with self.transaction() as connection:
            if connection.dialect.name == "postgresql":  # of two gateways that start at once, one makes the tables
                connection.execute(_ONE_AT_A_TIME)
            found: int | None = None
            if sa.inspect(connection).has_table(schema_table.name):
                found = connection.execute(sa.select(sa.func.max(schema_table.c.version))).scalar_one()
            if found is None:  # new, or a start that was killed half-way: the version is written last
                metadata.create_all(connection)
                connection.execute(schema_table.insert().values(version=SCHEMA_VERSION))
            elif found > SCHEMA_VERSION:
                raise IntegrityError(
                    f"The state database has schema {found}; this program knows up to {SCHEMA_VERSION}.",
                    hint="A newer workbench has written it: upgrade this one, or use another WORKBENCH_HOME.",
                    code="newer_schema",
                )
            elif found < SCHEMA_VERSION or _lacking(connection):
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # of two workers that start at once, one changes it
                _upgrade(connection)
                if found < SCHEMA_VERSION:
                    connection.execute(schema_table.insert().values(version=SCHEMA_VERSION))
        self._stand()

    def _stand(self) -> None:
        """Keep the file open, so that it can be put back where somebody takes it away."""
        if self.is_file and self.url.database and self.url.database != ":memory:":
            held = sqlite3.connect(self.url.database, timeout=BUSY_SECONDS, check_same_thread=False)
            held.execute(f"SELECT * FROM {schema_table.name}").fetchall()  # noqa: S608 - opens its log, too
            self._file, self._held = StandingFile(Path(self.url.database), held), held

    def _return(self, file: StandingFile) -> None:
        """Come back to a file that was taken away or replaced; raises Unavailable where no state stands there."""
        with self._returning:
            if self._file is not file:  # another thread was the first
                return
            try:
                mended = file.put_back()
                with closing(sqlite3.connect(self.url.database or "", timeout=BUSY_SECONDS)) as found:
                    version = found.execute(f"SELECT MAX(version) FROM {schema_table.name}").fetchone()[0]  # noqa: S608
            except (OSError, sqlite3.Error) as error:
                raise _silent(f"its file was taken away ({error})") from error
            if version != SCHEMA_VERSION:
                raise _silent(f"another file stands in its place, with schema {version}")
            self._engine.dispose()
            self._held.close()
            self._stand()
        how = "was put back" if mended else "is another one now"
        _log.error("the state database's file was taken away; it %s", how)

    @contextmanager
    def transaction(self, *, tells: str | None = None) -> Iterator[sa.Connection]:
        """Give a connection whose work is kept whole or not at all; raises Unavailable where the database fails.

        `tells` is the topic that it changes, for those who follow; of two that change one topic, the second waits for
        the first.
        """
        if (file := self._file) is not None and not file.stands():
            self._return(file)
        try:
            with self._engine.begin() as connection:
                if tells is not None:
                    _count_up(connection, tells)
                yield connection
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise _silent(str(getattr(error, "orig", error)).strip().partition("\n")[0]) from error

    def tell(self, topic: str) -> int:
        """Tell those who follow of a change; return its number."""
        with self.transaction() as connection:
            _count_up(connection, topic)
            return int(connection.execute(_NUMBER, {"which": topic}).scalar_one())

    def secret(self, name: str) -> bytes:
        """Return the secret of that name; the first process makes it, all replicas share it."""
        table = secrets_table
        query = sa.select(table.c.value).where(table.c.name == name)
        with self.transaction() as connection:
            found = connection.execute(query).scalar_one_or_none()
        if found is not None:
            return bytes(found)
        try:
            with self.transaction() as connection:
                connection.execute(table.insert().values(name=name, value=os.urandom(_SECRET_BYTES)))
        except sa.exc.IntegrityError:
            pass  # another process was the first
        with self.transaction() as connection:
            return bytes(connection.execute(query).scalar_one())

    def changes(self) -> dict[str, int]:
        """Return how often each topic has changed."""
        with self.transaction() as connection:
            return {row.topic: row.number for row in connection.execute(sa.select(changes_table))}

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        if self._file is not None:
            self._held.close()
            self._file = None


_ONE_AT_A_TIME = sa.select(sa.func.pg_advisory_xact_lock(0x776F726B62656E63))
"""Held by who makes or changes the tables of a PostgreSQL database; the number is ours."""
_TOPIC: sa.BindParameter[str] = sa.bindparam("which")
_NUMBER = sa.select(changes_table.c.number).where(changes_table.c.topic == _TOPIC)
_MORE = changes_table.update().where(changes_table.c.topic == _TOPIC).values(number=changes_table.c.number + 1)


def _silent(why: str) -> Unavailable:
    return Unavailable(
        f"The gateway's state database does not answer: {why}.",
        hint="Try again; if it stays so, the admin must look at the database.",
        code="state_unavailable",
    )


def _count_up(connection: sa.Connection, topic: str) -> None:
    if connection.execute(_MORE, {"which": topic}).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(changes_table.insert().values(topic=topic, number=1))
    except sa.exc.IntegrityError:  # another process was the first
        connection.execute(_MORE, {"which": topic})


def _lacking(connection: sa.Connection) -> list[sa.Column[Any]]:
    """Return the columns that tables lack which are there."""
    found = sa.inspect(connection).get_multi_columns()
    present = {name: {column["name"] for column in columns} for (_, name), columns in found.items()}
    return [
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if table.name in present and column.name not in present[table.name]
    ]


def _upgrade(connection: sa.Connection) -> None:
    """Bring an older schema up to this one: only tables and columns that may be empty were ever added.

    What is there already is left, since a start that was killed half-way is ended by the next.
    """
    for column in _lacking(connection):  # before the indices, which may be on them
        added = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE {column.table} ADD COLUMN {added}"))
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(
                url, pool_pre_ping=True, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, pool_timeout=BUSY_SECONDS,
                connect_args=_BOUNDED.get(url.get_driver_name(), {}),
            )  # fmt: skip
        except ImportError as error:
            wanted = "'genai-workbench[postgres]'" if error.name == "psycopg" else error.name
            raise MissingComponent(
                f"The state database {url.drivername!r} needs the package {error.name!r}.",
                hint=f"pip install {wanted}",
            ) from error
        except sa.exc.ArgumentError as error:
            raise InvalidInput(f"The state database can't be opened: {error}.") from error
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine
