"""Decisions on what leaves the house by a person's hand: who may, what may show who the patient is, how it is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from wetread.security.rules import Permission

ExportForm = Literal["png", "jpeg", "video", "print", "dicom"]
EXPORT_FORMS: tuple[ExportForm, ...] = get_args(ExportForm)
# PS3.16 CID 405, media types of the Export message (PS3.15 A.5.3.4): what is downloaded goes to no medium that we know.
MEDIA_TYPE: Final[dict[str, str]] = {"print": "110038"}
DOWNLOADED: Final = "110037"


@dataclass(frozen=True, slots=True)
class ExportPolicy:
    """Whether referrers may take away what they are shown of their own patients."""

    referrers: bool = False

    def allows(self, permissions: frozenset[Permission]) -> bool:
        """Whether who holds these permissions may export and print."""
        return Permission.STUDY_EXPORT in permissions or (
            self.referrers and Permission.RESULT_READ in permissions
        )


def file_id(series: int, instance: int) -> tuple[str, str, str]:
    """Where an object lies in a file-set: at most 8 characters a part (PS3.10 8.2), and nothing of a patient in them."""
    return "DICOM", f"SE{series:06d}"[:8], f"IM{instance:06d}"[:8]


def readme(
    *,
    identified: bool,
    uncompressed: bool,
    held_back: int,
    unreadable: int,
    unlisted: int,
    kept_as_they_are: int,
) -> bytes:
    """README.TXT of a file-set (IHE PDI): plain ASCII, and nothing of a patient."""
    lines = [
        "This is a DICOM File-set (PS3.10). DICOMDIR lists the objects; open it with any DICOM viewer.",
        "",
        "Patient data: "
        + (
            "as stored."
            if identified
            else "removed by PS3.15 Annex E, Basic Application Confidentiality Profile."
        ),
        "Pixels: " + ("uncompressed (Explicit VR Little Endian)." if uncompressed else "as stored."),
    ]
    if held_back:
        lines.append(
            f"Held back: {held_back} objects that may say who the patient is and cannot be cleaned"
            " (reports, documents, pictures with writing)."
        )
    if unreadable:
        lines.append(f"NOT COMPLETE: {unreadable} objects could not be read. Ask who gave you this.")
    if kept_as_they_are:
        lines.append(f"Compressed all the same: {kept_as_they_are} objects that cannot be put otherwise.")
    if unlisted:
        lines.append(f"Not listed in DICOMDIR, but here: {unlisted} objects.")
    return ("\r\n".join(lines) + "\r\n").encode("ascii")
