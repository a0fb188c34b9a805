"""SOP classes (PS3.4 B.5, PS3.6 table A-1) that the node and the archive know by name."""

from __future__ import annotations

from typing import Final

from pydicom._uid_dict import UID_dictionary

VERIFICATION: Final = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"
STORAGE_COMMITMENT_PUSH: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_PUSH_INSTANCE: Final = "1.2.840.10008.1.20.1.1"  # well-known (PS3.4 J.3.5)

INSTANCE_AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"  # Instance Availability Notification (PS3.4 annex R)
# Unified Procedure Step (PS3.4 annex CC): whatever class an operation comes by, it names Push as the SOP class.
UPS_PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
UPS_WATCH: Final = "1.2.840.10008.5.1.4.34.6.2"
UPS_PULL: Final = "1.2.840.10008.5.1.4.34.6.3"
UPS_EVENT: Final = "1.2.840.10008.5.1.4.34.6.4"
UPS_QUERY: Final = "1.2.840.10008.5.1.4.34.6.5"
UPS_GLOBAL_SUBSCRIPTION: Final = "1.2.840.10008.5.1.4.34.5"  # well-known instances (PS3.4 CC.3.3.1)
UPS_FILTERED_SUBSCRIPTION: Final = "1.2.840.10008.5.1.4.34.5.1"
UPS_CLASSES: Final = frozenset({UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_QUERY})

FIND_MODELS: Final = frozenset({PATIENT_ROOT_FIND, STUDY_ROOT_FIND})
MOVE_MODELS: Final = frozenset({PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE})
GET_MODELS: Final = frozenset({PATIENT_ROOT_GET, STUDY_ROOT_GET})

# Later than the dictionary (PS3.6 2024d and after).
_LATER: Final = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}
# Storage classes lie under these roots; the dictionary also holds query, print and other services there.
_STORAGE_ROOTS = ("1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10")
STORAGE_CLASSES: Final = frozenset(
    uid
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class"
    and (uid.startswith(_STORAGE_ROOTS[0]) or uid in _STORAGE_ROOTS)
    and "Storage" in name
).union(_LATER)


def is_standard(uid: str) -> bool:
    """Whether the standard's dictionary has the UID, as whatever."""
    return uid in UID_dictionary or uid in _LATER


def name_of(uid: str) -> str:
    """The dictionary's name, or the UID itself."""
    entry = UID_dictionary.get(uid)
    return entry[0] if entry else _LATER.get(uid, uid)
