"""Gives the rooms their collaborators: what a lower room asks for as a Protocol, a higher one or an edge provides."""

from __future__ import annotations

from wetread.app.build import House
from wetread.archive.service import Archive, LocalObjects, use_archive
from wetread.patients.service import use_issuer


def wire(house: House) -> Archive:
    """Called once in every process, after the models are loaded."""
    use_issuer(house.settings.issuer_of_patient_id)
    archive = Archive(
        house.database,
        house.offices,
        LocalObjects(house.settings.objects_path),
        house.master_key,
    )
    use_archive(archive)
    return archive
