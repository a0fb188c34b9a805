"""Decisions of the reporting room: the life of a report, its templates, and what must be looked at before signing."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import orjson

from wetread.kit.errors import IllegalTransition

SECTION_CHARACTERS_MAX = 20_000
SECTIONS = ("indication", "technique", "comparison", "findings", "impression", "addendum")


class ReportState(StrEnum):
    """Where a report stands."""

    DRAFT = "draft"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    ADDENDED = "addended"


class Step(StrEnum):
    """What can be done to a report."""

    SAVE_DRAFT = "save the draft"
    SIGN_PRELIMINARY = "sign as preliminary"
    SIGN_FINAL = "sign as final"
    ADDEND = "add an addendum"


# The whole life of a report; what is not here is not possible. A signed final text is never replaced.
TRANSITIONS: dict[tuple[ReportState, Step], ReportState] = {
    (ReportState.DRAFT, Step.SAVE_DRAFT): ReportState.DRAFT,
    (ReportState.DRAFT, Step.SIGN_PRELIMINARY): ReportState.PRELIMINARY,
    (ReportState.DRAFT, Step.SIGN_FINAL): ReportState.FINAL,
    (ReportState.PRELIMINARY, Step.SAVE_DRAFT): ReportState.PRELIMINARY,
    (ReportState.PRELIMINARY, Step.SIGN_PRELIMINARY): ReportState.PRELIMINARY,
    (ReportState.PRELIMINARY, Step.SIGN_FINAL): ReportState.FINAL,
    (ReportState.FINAL, Step.ADDEND): ReportState.ADDENDED,
    (ReportState.ADDENDED, Step.ADDEND): ReportState.ADDENDED,
}

# OBR-25 (HL7 table 0123) and FHIR DiagnosticReport.status of each state.
RESULT_STATUS: dict[ReportState, tuple[str, str]] = {
    ReportState.DRAFT: ("I", "registered"),
    ReportState.PRELIMINARY: ("P", "preliminary"),
    ReportState.FINAL: ("F", "final"),
    ReportState.ADDENDED: ("C", "appended"),
}


def after(state: str, step: Step) -> ReportState:
    """The state after a step. Raises IllegalTransition."""
    try:
        return TRANSITIONS[ReportState(state), step]
    except KeyError:
        raise IllegalTransition("The report", state, step) from None


class Version(Protocol):
    """A signed version, as far as it matters whether it stands."""

    @property
    def kind(self) -> str: ...


V = TypeVar("V", bound=Version)


def standing(versions: Sequence[V]) -> list[V]:
    """Of a report's versions, oldest first, those that stand: the last final one with its addenda, else the last
    preliminary one. A text that another replaced is not shown as if it were true beside it."""
    final = [one for one in versions if one.kind == "final"]
    if not final:
        return list(versions[-1:])
    return [final[-1], *(one for one in versions if one.kind == "addendum")]


@dataclass(frozen=True, slots=True)
class Template:
    """A report's beginning: sections in order, with the text of a normal finding where one helps."""

    key: str
    title: str
    modality: str | None
    body_part_examined: str | None
    sections: dict[str, str]


def _template(
    key: str, title: str, modality: str | None, body_part: str | None, technique: str, findings: str
) -> Template:
    return Template(
        key,
        title,
        modality,
        body_part,
        {"indication": "", "technique": technique, "comparison": "", "findings": findings, "impression": ""},
    )


TEMPLATES: tuple[Template, ...] = (
    _template(
        "ct-head-stroke",
        "CT head, suspected stroke",
        "CT",
        "HEAD",
        "Unenhanced CT of the head, axial images with coronal and sagittal reformats.",
        "Haemorrhage: none seen.\nEarly ischaemic change: none seen. ASPECTS 10.\nVessels: no hyperdense vessel.\n"
        "Mass effect and midline: no shift.\nVentricles and cisterns: normal size, no effacement.\nBone: no fracture.",
    ),
    _template(
        "mr-head",
        "MR head",
        "MR",
        "HEAD",
        "Multiplanar T1, T2 and FLAIR images.",
        "Brain parenchyma: normal signal.\nVentricles: normal size.\nMidline: no shift.\nExtra-axial spaces: no collection.\n"
        "Flow voids: preserved.\nSinuses and mastoids: clear.",
    ),
    _template(
        "ct-chest",
        "CT chest",
        "CT",
        "CHEST",
        "Axial images of the chest with multiplanar reformats.",
        "Lungs: no consolidation, no nodule.\nPleura: no effusion.\nMediastinum and hila: no enlarged nodes.\n"
        "Heart and great vessels: normal calibre.\nUpper abdomen: unremarkable as imaged.\nBones: no destructive lesion.",
    ),
    _template(
        "ct-abdomen",
        "CT abdomen and pelvis",
        "CT",
        "ABDOMEN",
        "Axial images of the abdomen and pelvis with multiplanar reformats.",
        "Liver, gallbladder, bile ducts: normal.\nPancreas, spleen, adrenals: normal.\nKidneys: no stone, no hydronephrosis.\n"
        "Bowel: no obstruction, no wall thickening.\nVessels and nodes: normal.\nPelvis: unremarkable.\nBones: no destructive lesion.",
    ),
    _template(
        "xr-chest",
        "Radiograph chest",
        None,
        "CHEST",
        "Frontal view, with lateral view where obtained.",
        "Lungs and pleura: clear.\nHeart and mediastinum: normal contours.\nBones: no acute finding.",
    ),
    _template(
        "xr-extremity",
        "Radiograph of an extremity",
        None,
        None,
        "Radiographs in the projections obtained.",
        "Bones: no fracture, normal alignment.\nJoint spaces: preserved.\nSoft tissues: no swelling, no foreign body.",
    ),
    _template(
        "us-abdomen",
        "Ultrasound abdomen",
        "US",
        "ABDOMEN",
        "Real-time ultrasound of the upper abdomen.",
        "Liver: normal size and echogenicity.\nGallbladder: no stones.\nBile ducts: not dilated.\nPancreas: as far as seen, normal.\n"
        "Spleen: normal.\nKidneys: no hydronephrosis.\nAscites: none.",
    ),
    _template(
        "mg-screening",
        "Mammography, screening",
        "MG",
        "BREAST",
        "Two views of each breast.",
        "Breast composition: \nRIGHT: no mass, no suspicious calcification, no distortion.\n"
        "LEFT: no mass, no suspicious calcification, no distortion.\nAxillae: unremarkable.",
    ),
    _template("general", "General report", None, None, "", ""),
)


def template(key: str | None) -> Template:
    """The template of that key; the general one where it is not known."""
    return next((one for one in TEMPLATES if one.key == key), TEMPLATES[-1])


def template_for(modality: str | None, body_part_examined: str | None, preferred: str | None) -> Template:
    """The best template: the procedure's own, else by modality and body part, else by either, else the general one."""
    if preferred and any(one.key == preferred for one in TEMPLATES):
        return template(preferred)
    part = (body_part_examined or "").upper()
    part = {"BRAIN": "HEAD", "SKULL": "HEAD", "THORAX": "CHEST", "PELVIS": "ABDOMEN"}.get(part, part)
    radiograph = modality in ("CR", "DX", "RG", "XR")

    def score(one: Template) -> int:
        if one.modality and one.modality != modality:
            return -1
        if one.body_part_examined and one.body_part_examined != part:
            return -1
        if one.modality is None and one.key.startswith("xr-") and not radiograph:
            return -1
        return 2 * bool(one.body_part_examined) + bool(one.modality) + one.key.startswith("xr-")

    return max(TEMPLATES, key=score)


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the field's own word
    """Something to look at before signing; signing needs its code acknowledged. `blocking` cannot be waved through."""

    code: str
    text: str
    blocking: bool = False


_SIDE_WORDS = {
    "L": re.compile(r"\b(left|links?|linke[rsn]?|gauche|izquierd[oa]|sinistr[oa])\b", re.IGNORECASE),
    "R": re.compile(r"\b(right|rechts?|rechte[rsn]?|droite?|derech[oa]|destr[oa])\b", re.IGNORECASE),
}
_FEMALE = re.compile(r"\b(uterus|uterine|ovar(y|ies|ian)|endometri\w+)\b", re.IGNORECASE)
_MALE = re.compile(r"\b(prostat\w*|seminal vesicles?|testi(s|cle|cles|cular))\b", re.IGNORECASE)
_SIDE_NAME = {"L": "LEFT", "R": "RIGHT"}
_BLANK = re.compile(r"_{3,}|\[\s*\]|\?\?\?")


def check(
    sections: Mapping[str, str],
    *,
    lateralities: set[str],
    patient_sex: str | None,
    shown: Collection[str] = (),
) -> list[Warning]:
    """What a careful colleague would ask before signing: sides, sex, gaps. `lateralities` are those of the orders, `shown` the
    sides that the images say they show."""
    found: list[Warning] = []
    conclusion = f"{sections.get('findings', '')}\n{sections.get('impression', '')}"
    if not sections.get("impression", "").strip():
        found.append(Warning("empty-impression", "The impression is empty.", blocking=True))
    ordered = lateralities & {"L", "R"}
    if len(ordered) == 1 and "B" not in lateralities:
        side = next(iter(ordered))
        other = "R" if side == "L" else "L"
        if other in shown:
            marked = "some images are" if side in shown else "the images are"
            words = f"The order is for the {_SIDE_NAME[side]} side; {marked} marked {_SIDE_NAME[other]}."
            found.append(Warning("image-laterality", words))
        if _SIDE_WORDS[other].search(conclusion) and not _SIDE_WORDS[side].search(conclusion):
            found.append(
                Warning(
                    "laterality",
                    f"The order is for the {_SIDE_NAME[side]} side, the text speaks only of the {_SIDE_NAME[other]}.",
                )
            )
        elif _SIDE_WORDS[other].search(sections.get("impression", "")):
            found.append(
                Warning(
                    "laterality",
                    f"The order is for the {_SIDE_NAME[side]} side; the impression names the {_SIDE_NAME[other]}.",
                )
            )
    if patient_sex == "M" and _FEMALE.search(conclusion):
        found.append(Warning("sex", "The patient is male; the text names a female organ."))
    if patient_sex == "F" and _MALE.search(conclusion):
        found.append(Warning("sex", "The patient is female; the text names a male organ."))
    if any(_BLANK.search(text) for text in sections.values()):
        found.append(Warning("blank", "A blank of the template is not filled in."))
    return found


_LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029\x0b\x0c\x85]")


def cleaned_text(text: str) -> str:
    """A section as it is kept. NUL cannot be stored, other control characters break a PDF and an HL7 message; the
    spaces and joiners that editors and scripts put between letters are part of the text."""
    lines = _LINE_ENDS.sub("\n", text)
    return "".join(
        one for one in lines if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs")
    ).strip()


def content_hash(sections: Mapping[str, str]) -> bytes:
    """SHA-256 over the sections in canonical form: what the signature stands for."""
    return hashlib.sha256(orjson.dumps(dict(sections), option=orjson.OPT_SORT_KEYS)).digest()


def plain_text(sections: Mapping[str, str]) -> str:
    """The report as text, section by section, empty ones left out."""
    known = [name for name in SECTIONS if name in sections]
    return "\n\n".join(
        f"{name.upper()}\n{sections[name].strip()}"
        for name in (*known, *(name for name in sections if name not in SECTIONS))
        if sections[name].strip()
    )
