"""What comes with images and is none: a report from elsewhere as PDF, and what a program measured as an SR document."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from math import pi
from pathlib import Path

import orjson
import typst

from wetread.app.demo.objects import (
    CT_IMAGE,
    Device,
    Item,
    Picture,
    SeriesHead,
    Visit,
    code,
    document,
    number_text,
)
from wetread.app.demo.segmented import PROGRAM
from wetread.app.demo.stack import Stack
from wetread.app.demo.torso import NODULE_CENTRE, Spot
from wetread.dicom.personname import PersonName
from wetread.dicom.uid import new_uid

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
_SCANNED = Device("Document Import", "DI-1", "1.4")

_LETTER = """
#let d = json("data.json")
#set document(title: "Chest radiograph", date: none)
#set text(font: ("IBM Plex Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "DejaVu Sans", "Libertinus Serif"), size: 10.5pt, lang: "en")
#set par(leading: 0.68em)
#set page(paper: "a4", margin: (x: 25mm, y: 24mm), footer: context [
  #set text(size: 8pt, fill: rgb("#4a5560"))
  #d.name · #d.id #h(1fr) Page #counter(page).display() of #counter(page).final().first()])
#text(size: 15pt, weight: "bold")[Lakeside Pulmonary Group] \\
#text(size: 9pt, fill: rgb("#4a5560"))[18 Harbour Street · Imaging]
#line(length: 100%, stroke: 0.8pt + rgb("#22303c"))
#v(4pt)
#grid(columns: (auto, 1fr), column-gutter: 14pt, row-gutter: 6pt,
  [Patient], strong(d.name), [Born], d.born, [Identifier there], "LPG-40718", [Examined], d.day)
#v(8pt)
#text(size: 13pt, weight: "bold")[Chest radiograph, two views]

*Reason.* Cough for three months, weight loss of six kilograms.

*Comparison.* None.

*Findings.* Rounded opacity of about 4 cm in the left upper zone, with an irregular outline. No calcification is seen in it.
The left hilum is full. Blunting of the left costophrenic angle, a small effusion. The right lung is clear.
Heart and mediastinum are of normal size. No destruction of a rib.

*Impression.*
+ Mass of the left upper lobe: suspicious until proved otherwise.
+ Small left pleural effusion.

*Advice.* CT of the chest with contrast within a week, and referral to the lung clinic; the patient has been told.
#v(10pt)
Signed: Dr. P. Okafor, #d.day
#pagebreak()
#text(size: 13pt, weight: "bold")[Laboratory, same day]
#table(columns: (1fr, auto, auto, auto), inset: 6pt, stroke: 0.5pt + rgb("#9aa5b0"),
  [*Value*], [*Result*], [*Unit*], [*Reference*],
  [Creatinine], [78], [µmol/l], [45–84],
  [eGFR], [> 60], [ml/min/1.73 m²], [> 60],
  [Haemoglobin], [121], [g/l], [120–155],
  [C-reactive protein], [31], [mg/l], [< 5],
  [TSH], [1.9], [mU/l], [0.4–4.0])
"""


def outside_report(visit: Visit) -> Picture:
    """A report and a laboratory sheet of a practice elsewhere, three weeks old, as somebody filed them with the images."""
    subject, day = visit.subject, visit.taken_at - timedelta(days=20)
    born = subject.patient_birth_date
    name = PersonName.parse(subject.patient_name)
    data = {
        "name": " ".join(filter(None, (name.given_name, name.family_name))) or subject.patient_id,
        "id": subject.patient_id,
        "born": born.isoformat() if born else "not known",
        "day": day.date().isoformat(),
    }
    with tempfile.TemporaryDirectory(prefix="wetread-demo-") as folder:
        root = Path(folder)
        (root / "letter.typ").write_text(_LETTER)
        (root / "data.json").write_bytes(orjson.dumps(data))
        made = typst.compile(str(root / "letter.typ"), root=folder)
    assert isinstance(made, bytes)
    head = SeriesHead("DOC", 950, "Outside report", "CHEST", _SCANNED)
    attributes: Item = {
        "ConversionType": "WSD",
        "BurnedInAnnotation": "YES",
        "ContentDate": day.strftime("%Y%m%d"),
        "ContentTime": day.strftime("%H%M%S"),
        "AcquisitionDateTime": day.strftime("%Y%m%d%H%M%S"),
        "DocumentTitle": "Chest radiograph, Lakeside Pulmonary Group",
        "ConceptNameCodeSequence": [code("18748-4", "Diagnostic imaging study", "LN")],
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "EncapsulatedDocumentLength": len(made),
        "EncapsulatedDocument": made + b"\0" * (len(made) % 2),
    }
    return document(visit, head, ENCAPSULATED_PDF, attributes, offset_s=240.0)


def lung_report(
    visit: Visit, images: SeriesHead, slices: Sequence[Picture], stack: Stack, spots: Sequence[Spot]
) -> Picture:
    """What the program that finds the lungs says of the nodule, with the place where it measured (PS3.16 TID 1500)."""
    nodule = max((spot.size * 5.5 for spot in spots if spot.lesion == "nodule"), default=0.0)
    index = min(
        range(len(stack)), key=lambda at: abs(stack.image_positions_patient[at][2] - NODULE_CENTRE[2])
    )
    corner, spacing = stack.image_positions_patient[index], stack.pixel_spacing
    middle = [(NODULE_CENTRE[axis] - corner[axis]) / spacing + 0.5 for axis in (0, 1)]
    image = slices[index][0]
    found: list[Item] = []
    if nodule:
        across = nodule / spacing
        line = [middle[0] - across, middle[1], middle[0] + across, middle[1]]
        found = [
            _item("HAS OBS CONTEXT", "TEXT", code("112039", "Tracking Identifier", "DCM"), TextValue="Nodule 1"),
            _item("HAS OBS CONTEXT", "UIDREF", code("112040", "Tracking Unique Identifier", "DCM"), UID=new_uid()),
            _coded("CONTAINS", code("121071", "Finding", "DCM"), code("27925004", "Nodule")),
            _coded("CONTAINS", code("363698007", "Finding Site"), code("45653009", "Structure of upper lobe of lung")),
            _measured(code("81827009", "Diameter"), 2 * nodule, code("mm", "millimeter", "UCUM"), "POLYLINE", line, image),
            _measured(code("118565006", "Volume"), 4 / 3 * pi * nodule**3 / 1000, code("ml", "milliliter", "UCUM"), "POINT", middle, image),
        ]  # fmt: skip
    group = _item(
        "CONTAINS",
        "CONTAINER",
        code("125007", "Measurement Group", "DCM"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=found,
    )
    nothing = _item(
        "CONTAINS", "TEXT", code("121071", "Finding", "DCM"), TextValue="No nodule of 4 mm or more was found."
    )
    measurements = _item(
        "CONTAINS", "CONTAINER", code("126010", "Imaging Measurements", "DCM"), ContinuityOfContent="SEPARATE",
        ContentSequence=[group if found else nothing],
    )  # fmt: skip
    head = SeriesHead("SR", 902, "Lung Finder, measurements", images.body_part_examined, PROGRAM)
    reference = {
        "SeriesInstanceUID": images.series_instance_uid,
        "ReferencedSOPSequence": [_reference(image)],
    }
    attributes: Item = {
        "ReferencedPerformedProcedureStepSequence": [],
        "PerformedProcedureCodeSequence": [],
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "PreliminaryFlag": "PRELIMINARY",
        "CurrentRequestedProcedureEvidenceSequence": [
            {"StudyInstanceUID": visit.subject.study_instance_uid, "ReferencedSeriesSequence": [reference]}
        ],
        "ContentTemplateSequence": [{"MappingResource": "DCMR", "TemplateIdentifier": "1500"}],
        **_item(None, "CONTAINER", code("126000", "Imaging Measurement Report", "DCM"), ContinuityOfContent="SEPARATE"),
        "ContentSequence": [
            _coded("HAS CONCEPT MOD", code("121049", "Language of Content Item and Descendants", "DCM"), code("en", "English", "RFC5646")),
            _coded("HAS OBS CONTEXT", code("121005", "Observer Type", "DCM"), code("121007", "Device", "DCM")),
            _item("HAS OBS CONTEXT", "UIDREF", code("121012", "Device Observer UID", "DCM"), UID=new_uid()),
            _item("HAS OBS CONTEXT", "TEXT", code("121013", "Device Observer Name", "DCM"), TextValue=PROGRAM.manufacturer_model_name),
            _coded("HAS CONCEPT MOD", code("121058", "Procedure reported", "DCM"), code("169069000", "CT of chest")),
            measurements,
        ],
    }  # fmt: skip
    return document(visit, head, COMPREHENSIVE_SR, attributes, offset_s=75.0)


def _item(relationship: str | None, kind: str, name: Item, **attributes: object) -> Item:
    said: Item = {"ValueType": kind, "ConceptNameCodeSequence": [name], **attributes}
    return {"RelationshipType": relationship, **said} if relationship else said


def _coded(relationship: str, name: Item, value: Item) -> Item:
    return _item(relationship, "CODE", name, ConceptCodeSequence=[value])


def _measured(name: Item, value: float, unit: Item, form: str, where: Sequence[float], image: str) -> Item:
    on = {
        "RelationshipType": "SELECTED FROM",
        "ValueType": "IMAGE",
        "ReferencedSOPSequence": [_reference(image)],
    }
    place = _item(
        "INFERRED FROM", "SCOORD", code("121055", "Path", "DCM") if len(where) > 2 else code("111010", "Center", "DCM"),
        GraphicType=form, GraphicData=[round(one, 2) for one in where], ContentSequence=[on],
    )  # fmt: skip
    number = {"NumericValue": number_text(round(value, 2)), "MeasurementUnitsCodeSequence": [unit]}
    return _item("CONTAINS", "NUM", name, MeasuredValueSequence=[number], ContentSequence=[place])


def _reference(image: str) -> Item:
    return {"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": image}
