"""Facts that the archive tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wetread.kit.events import Event


@dataclass(frozen=True, slots=True)
class StudyUpdated(Event):
    """Instances were added to a study, or it was corrected. `first_image`: the study is new. `grown`: more of what was
    told of before in this transfer, which changes nothing but the number of images."""

    kind: ClassVar[str] = "study.updated"

    study_pk: int
    study_instance_uid: str
    first_image: bool
    grown: bool = False


@dataclass(frozen=True, slots=True)
class ObjectQuarantined(Event):
    """Something arrived that a person must look at."""

    kind: ClassVar[str] = "object.quarantined"

    quarantine_pk: int
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectDamaged(Event):
    """A stored object is not what was written any more."""

    kind: ClassVar[str] = "object.damaged"

    stored_object_pk: int


@dataclass(frozen=True, slots=True)
class QuarantineResolved(Event):
    """A person decided about a quarantined object."""

    kind: ClassVar[str] = "object.released"

    quarantine_pk: int
    resolution: str


@dataclass(frozen=True, slots=True)
class StudyRemoved(Event):
    """All or some of a study was hidden: put in the trash or rejected; or what was hidden was purged."""

    kind: ClassVar[str] = "study.removed"

    study_pk: int
    removal_pk: int


@dataclass(frozen=True, slots=True)
class StudyRestored(Event):
    """What was removed is to be seen again."""

    kind: ClassVar[str] = "study.restored"

    study_pk: int
    removal_pk: int


@dataclass(frozen=True, slots=True)
class CompressionChanged(Event):
    """The compression of a study in the archive came further, ended or failed."""

    kind: ClassVar[str] = "compression.changed"

    compression_pk: int
    state: str
