"""Whose words are kept without anybody saying so."""

from workbench.settings.audit import EXPLORATION, AuditSettings, BodySettings, DataClassSettings


def test_the_local_owners_exploration_is_kept_and_nothing_else() -> None:
    audit = AuditSettings()
    assert audit.body_mode(EXPLORATION, shared=False) == "keep"
    assert audit.body_mode(EXPLORATION, shared=True) == "none"
    for shared in (False, True):
        assert audit.body_mode(None, shared=shared) == audit.body_mode("internal", shared=shared) == "none"


def test_what_is_said_counts() -> None:
    said = AuditSettings(bodies=BodySettings(default="hash", exploration="hash"))
    assert said.body_mode(EXPLORATION, shared=False) == said.body_mode("internal", shared=True) == "hash"
    own = AuditSettings(classes={EXPLORATION: DataClassSettings(bodies="none")})
    assert own.body_mode(EXPLORATION, shared=False) == "none"
