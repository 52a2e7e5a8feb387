"""`[audit]`: what of the calls is kept beside their rows, where it goes, and for how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workbench.settings.table import Table

BodyMode = Literal["none", "hash", "keep"]
EXPLORATION = "exploration"
"""The data class of calls that belong to no use case."""
Days = Annotated[float, Field(gt=0)]


class BodySettings(Table):
    """What becomes of the bodies of requests and answers."""

    default: BodyMode = Field(
        "none", description="left out, a keyed hash of them, or kept; for data classes that say nothing themselves"
    )
    exploration: BodyMode | None = Field(
        None,
        description="the same for calls that belong to no use case; default: kept where only the local owner makes "
        "them, so that their own history tells what was said, else left out",
    )
    max_bytes: int = Field(256 * 1024, ge=1024, description="what is kept of one body at most; the rest is cut off")


class RetentionSettings(Table):
    """How long what was recorded stays, for data classes that say nothing themselves."""

    rows_days: Days | None = Field(None, description="days that the rows of calls stay; default: for ever")
    bodies_days: Days | None = Field(30, description="days that kept bodies stay")


class DataClassSettings(Table):
    """What holds for one data class."""

    bodies: BodyMode | None = Field(None, description="as [audit.bodies] default")
    replay: bool = Field(True, description="whether `workbench audit dataset` may let its kept bodies out")
    rows_days: Days | None = Field(None, description="as [audit.retention] rows_days")
    bodies_days: Days | None = Field(None, description="as [audit.retention] bodies_days")


class AuditSettings(Table):
    """The record of calls."""

    when_full: Literal["refuse", "answer"] = Field(
        "refuse", description="while no row can be written: new calls are refused, or answered with their rows waiting"
    )
    ship_every: float = Field(
        3600, ge=0, description="seconds between two shipments to [state] lake; 0: only by `workbench audit ship`"
    )
    spool_days: Days = Field(
        35, description="days that shipped rows stay in the gateway's own file too, where `/me/calls` finds them"
    )
    bodies: BodySettings = Field(BodySettings(), description="bodies of requests and answers")
    retention: RetentionSettings = Field(RetentionSettings(), description="how long records stay")
    classes: dict[str, DataClassSettings] = Field({}, description="what holds for a data class, by its name")

    def body_mode(self, data_class: str | None, *, shared: bool) -> BodyMode:
        """Return what becomes of the bodies of a data class; `shared` where more people than the owner may come."""
        own = self.classes.get(data_class) if data_class else None
        if own is not None and own.bodies is not None:
            return own.bodies
        if data_class != EXPLORATION:
            return self.bodies.default
        return self.bodies.exploration or ("none" if shared else "keep")

    def may_replay(self, data_class: str | None) -> bool:
        """Return whether bodies of a data class may become a dataset."""
        own = self.classes.get(data_class) if data_class else None
        return own is None or own.replay

    def rows_days(self, data_class: str | None) -> float | None:
        """Return how many days the rows of a data class stay; None: for ever."""
        own = self.classes.get(data_class) if data_class else None
        return self.retention.rows_days if own is None or own.rows_days is None else own.rows_days

    def bodies_days(self, data_class: str | None) -> float | None:
        """Return how many days the kept bodies of a data class stay; None: for ever."""
        own = self.classes.get(data_class) if data_class else None
        return self.retention.bodies_days if own is None or own.bodies_days is None else own.bodies_days
