"""HTJ2K renditions: derived copies for viewing, beside the received objects and never in their place."""

from __future__ import annotations

import hashlib

from sqlalchemy.dialects.postgresql import insert

from wetread.archive.model import StoredObject, StoredRole
from wetread.archive.pixels import Picture
from wetread.archive.rules import FrameTable
from wetread.archive.service import Archive
from wetread.archive.store import StoredInstance
from wetread.dicom.transfersyntax import HTJ2K_LOSSLESS_RPCL

_FRAME_BYTES_MIN = 32 * 1024  # below, the saving is not worth a file


def worth_a_rendition(stored: StoredInstance) -> bool:
    """Whether the instance is of a kind that is made into HTJ2K: native, 8 or 16 bits grey, or 8 bits RGB."""
    grey = stored.samples_per_pixel in (None, 1) and stored.photometric_interpretation in (
        "MONOCHROME1",
        "MONOCHROME2",
    )
    colour = (
        stored.samples_per_pixel == 3
        and stored.photometric_interpretation == "RGB"
        and stored.bits_allocated == 8
    )
    return (
        stored.frame_length is not None
        and stored.frame_length >= _FRAME_BYTES_MIN
        and stored.bits_allocated in (8, 16)
        and (grey or colour)
    )


def make_rendition(archive: Archive, stored: StoredInstance) -> bool:
    """Encodes every frame (each verified to decode to the same pixels) and files the rendition.

    Returns False where the instance is of another kind. Raises Invalid where a frame cannot be encoded, NoSpace,
    Damaged.
    """
    if not worth_a_rendition(stored):
        return False
    document = archive.retrieval.instance_json(stored)
    writer = archive.vault.create(stored.study_instance_uid)
    digest = hashlib.sha256()
    frames: list[tuple[tuple[int, int], ...]] = []
    try:
        for number in range(1, stored.number_of_frames + 1):
            frame = bytes(archive.retrieval.frame(stored, number))
            codestream = archive.decoder.encode_htj2k(
                Picture(document, frame, stored.transfer_syntax_uid, number)
            )
            frames.append(((writer.size_bytes, len(codestream)),))
            digest.update(codestream)
            writer.write(codestream)
        writer.finish()
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    with archive.offices.database.transaction() as session:
        # An index allows one rendition an instance: another worker may have been faster.
        filed = session.execute(
            insert(StoredObject)
            .values(
                instance_pk=stored.instance_pk,
                role=StoredRole.RENDITION,
                location=writer.location,
                study_key_pk=writer.key.study_key_pk,
                size_bytes=writer.size_bytes,
                dataset_sha256=digest.digest(),
                transfer_syntax_uid=HTJ2K_LOSSLESS_RPCL,
                dataset_offset=0,
                frame_table=FrameTable(tuple(frames)).pack(),
            )
            .on_conflict_do_nothing()
            .returning(StoredObject.stored_object_pk)
        ).first()
    if filed is None:
        writer.abort()
    return True
