"""What the guest of a live session is handed of an object of its studies, and that they were. Guests look; who is not told
who the patient is gets nothing that tells it in another way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from wetread.archive.service import Archive, InstanceFiles
from wetread.kit.errors import Denied, NotFound
from wetread.security.service import Actor
from wetread.together.service import is_named_within, withholds_patient, without_patient

_WITHHELD = "This hospital does not tell guests who the patient is, as this document would."


def note_opened(archive: Archive, actor: Actor, files: InstanceFiles) -> None:
    """Records which object a guest opened; of others the viewing of the study is recorded, which is theirs to see."""
    if actor.kind == "guest":
        archive.retrieval.note_opened(actor, files.original)


def model_for(archive: Archive, actor: Actor, files: InstanceFiles) -> dict[str, Any]:
    """The metadata of an instance as this actor may read them. Raises Denied for a document that names the patient."""
    (model,) = without_patient(actor, orjson.loads(archive.retrieval.instance_metadata(files.original)))
    if withholds_patient(actor) and is_named_within(model):
        raise Denied(_WITHHELD)
    found: dict[str, Any] = model
    return found


def check_bulk(archive: Archive, actor: Actor, files: InstanceFiles, reference: str) -> None:
    """Raises Denied, NotFound where a long value is none that this actor is told of: any bytes can be named by a reference."""
    if withholds_patient(actor) and reference not in _references(model_for(archive, actor, files)):
        raise NotFound("There is no such bulk data.")


def check_drawing(actor: Actor, annotation: str | None) -> None:
    """Raises Denied where the patient is to be written on a picture for who is not told."""
    if withholds_patient(actor) and "patient" in (annotation or "").lower():
        raise Denied("This hospital does not tell guests who the patient is.")


def _references(item: dict[str, Any]) -> Iterator[str]:
    for element in item.values():
        if "BulkDataURI" in element:
            yield str(element["BulkDataURI"]).rsplit("/", 1)[-1]
        if element.get("vr") == "SQ":
            for one in element.get("Value") or []:
                yield from _references(one)
