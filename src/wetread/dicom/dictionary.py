"""Attributes of PS3.6 that are newer than the dictionary that comes with pydicom: how a person is named and spoken of, and
diagnoses. Known by tag, keyword and VR from the import of this package on."""

from __future__ import annotations

from typing import Final

from pydicom.datadict import add_dict_entries, dictionary_has_tag

NEWER: Final[dict[int, tuple[str, str, str, str]]] = {
    0x00081301: ("SQ", "1", "Principal Diagnosis Code Sequence", "PrincipalDiagnosisCodeSequence"),
    0x00081302: ("SQ", "1", "Primary Diagnosis Code Sequence", "PrimaryDiagnosisCodeSequence"),
    0x00081303: ("SQ", "1", "Secondary Diagnoses Code Sequence", "SecondaryDiagnosesCodeSequence"),
    0x00081304: ("SQ", "1", "Histological Diagnoses Code Sequence", "HistologicalDiagnosesCodeSequence"),
    0x00100011: ("SQ", "1", "Person Names to Use Sequence", "PersonNamesToUseSequence"),
    0x00100012: ("LT", "1", "Name to Use", "NameToUse"),
    0x00100013: ("UT", "1", "Name to Use Comment", "NameToUseComment"),
    0x00100014: ("SQ", "1", "Third Person Pronouns Sequence", "ThirdPersonPronounsSequence"),
    0x00100015: ("SQ", "1", "Pronoun Code Sequence", "PronounCodeSequence"),
    0x00100016: ("UT", "1", "Pronoun Comment", "PronounComment"),
    0x00100041: ("SQ", "1", "Gender Identity Sequence", "GenderIdentitySequence"),
    0x00100042: (
        "UT", "1", "Sex Parameters for Clinical Use Category Comment", "SexParametersForClinicalUseCategoryComment",
    ),
    0x00100043: (
        "SQ", "1", "Sex Parameters for Clinical Use Category Sequence", "SexParametersForClinicalUseCategorySequence",
    ),
    0x00100044: ("SQ", "1", "Gender Identity Code Sequence", "GenderIdentityCodeSequence"),
    0x00100045: ("UT", "1", "Gender Identity Comment", "GenderIdentityComment"),
    0x00100046: (
        "SQ", "1", "Sex Parameters for Clinical Use Category Code Sequence",
        "SexParametersForClinicalUseCategoryCodeSequence",
    ),
    0x00100047: (
        "UR", "1-n", "Sex Parameters for Clinical Use Category Reference",
        "SexParametersForClinicalUseCategoryReference",
    ),
    0x0040A034: ("DT", "1", "Effective Start DateTime", "EffectiveStartDateTime"),
    0x0040A035: ("DT", "1", "Effective Stop DateTime", "EffectiveStopDateTime"),
}  # fmt: skip
"""Tag → VR, VM, name, keyword."""

add_dict_entries(
    {
        tag: (vr, vm, name, "", keyword)
        for tag, (vr, vm, name, keyword) in NEWER.items()
        if not dictionary_has_tag(tag)
    }
)
