"""What a reader leaves on a study, as DICOM objects: measurements (TID 1500), presentation states, key images. Pure.

Points are (column, row) in the picture's pixels; 0,0 is the upper left corner of the first (PS3.3 C.10.5.1.2), or mm in a
frame of reference where something was drawn on a plane of no picture. Every
object takes its patient and study from `Origin`, and names its pictures as evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from wetread.dicom.jsonmodel import JsonDict

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
# Alone has places in the patient (PS3.3 A.35.13.3).
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
MEASUREMENT_REPORTS = (COMPREHENSIVE_SR, COMPREHENSIVE_3D_SR)
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
GRAYSCALE_SOFTCOPY_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
# Patient, General Study and Patient Study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): what all objects of a study share.
OF_THE_STUDY = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize",
    "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip

Code = tuple[str, str, str]
Point = tuple[float, float]

# Concepts of measured values, by the word that the viewer has for them (PS3.16 CID 7469, 7470, 3627).
CONCEPTS: Mapping[str, Code] = {
    "length": ("410668003", "SCT", "Length"),
    "long": ("103339001", "SCT", "Long Axis"),
    "short": ("103340004", "SCT", "Short Axis"),
    "angle": ("1483009", "SCT", "Angle"),
    "area": ("42798000", "SCT", "Area"),
    "mean": ("373098007", "SCT", "Mean"),
    "deviation": ("386136009", "SCT", "Standard Deviation"),
    "minimum": ("255605001", "SCT", "Minimum"),
    "maximum": ("56851009", "SCT", "Maximum"),
    "value": ("111031", "99WETREAD", "Pixel value"),
    "ratio": ("cardiothoracic", "99WETREAD", "Cardiothoracic ratio"),
}
# UCUM, by the unit on the screen (PS3.16 CID 7181 and 7460).
UNITS: Mapping[str, Code] = {
    "mm": ("mm", "UCUM", "mm"),
    "cm": ("cm", "UCUM", "cm"),
    "mm²": ("mm2", "UCUM", "mm2"),
    "cm²": ("cm2", "UCUM", "cm2"),
    "px": ("{pixels}", "UCUM", "pixels"),
    "°": ("deg", "UCUM", "deg"),
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "SUV": ("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight"),
    "BQML": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "": ("1", "UCUM", "no units"),
}
_DEPTH_MAX = 8
_LANGUAGE: Code = ("en", "RFC5646", "English")


@dataclass(frozen=True, slots=True)
class Origin:
    """The study that an object is of, who made it, when, and under which number its series stands."""

    study: Dataset
    author: str
    made_at: datetime
    series_number: int


@dataclass(frozen=True, slots=True)
class Image:
    """A frame of an instance; `frame_number` is None where it has but one."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    frame_number: int | None = None
    rows: int = 0
    columns: int = 0


GraphicType = Literal["POINT", "POLYLINE", "ELLIPSE"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A drawn form; of an ellipse the ends of its long, then of its short axis (PS3.3 C.18.6.1.2)."""

    graphic_type: GraphicType
    points: Sequence[Point]

    def data(self) -> list[float]:
        """Graphic Data."""
        return [float(one) for point in self.points for one in point]


@dataclass(frozen=True, slots=True)
class SpatialShape:
    """A form in the patient, mm (PS3.3 C.18.9.1.2): a region is a POLYGON, which ends where it begins, or an ELLIPSE by the
    ends of its long, then of its short axis."""

    graphic_type: Literal["POINT", "POLYLINE", "POLYGON", "ELLIPSE"]
    points: Sequence[tuple[float, float, float]]

    def data(self) -> list[float]:
        """Graphic Data."""
        return [float(one) for point in self.points for one in point]


@dataclass(frozen=True, slots=True)
class Space:
    """Where something lies in the patient, and the plane that was looked at: its normal, up the screen, and the slab of
    which it was the middle (how it was drawn, mm)."""

    frame_of_reference_uid: str
    shapes: Sequence[SpatialShape]
    view_plane_normal: tuple[float, float, float]
    view_up: tuple[float, float, float]
    slab: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A measured number; `shape` says of which of the measurement's shapes it is."""

    concept: str
    value: float
    unit: str = ""
    shape: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something drawn: its identity, its words, its shapes and what was measured of them.

    In `space` its shapes are there and `shapes` are none; `image` is the picture nearest to it.
    """

    tracking_uid: str
    tracking_identifier: str
    image: Image
    shapes: Sequence[Shape]
    values: Sequence[Value] = ()
    comment: str | None = None
    # Who measured, where that is another than the author of the report that it stands in.
    author: str | None = None
    space: Space | None = None


@dataclass(frozen=True, slots=True)
class Presentation:
    """How pictures of one series were seen. `area` is (left, top, right, bottom) in pixels, shown in full; `values` is the
    Modality LUT module that all of them have, in the units of the window."""

    images: Sequence[Image]
    area: tuple[int, int, int, int]
    values: Dataset = field(default_factory=Dataset)
    window: tuple[float, float] | None = None
    rotation: int = 0
    flipped: bool = False
    inverted: bool = False
    spacing: tuple[float, float] | None = None
    marks: Sequence[Measurement] = field(default=())


def tag(keyword: str) -> int:
    """The tag of a standard attribute."""
    found = tag_for_keyword(keyword)
    assert found is not None
    return found


def measurement_report(
    origin: Origin, measurements: Sequence[Measurement], predecessors: Sequence[Image] = ()
) -> Dataset:
    """An Imaging Measurement Report (PS3.16 TID 1500). It takes the place of `predecessors`, reports of the same study:
    what they held and it does not was removed, so one without measurements says that none stands any more."""
    is_spatial = any(one.space for one in measurements)
    ds = _object(origin, COMPREHENSIVE_3D_SR if is_spatial else COMPREHENSIVE_SR, "SR", "Measurements")
    root = _container(("126000", "DCM", "Imaging Measurement Report"))
    ds.update(root)
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    ds.ContentTemplateSequence = [template]
    ds.ContentSequence = [
        _coded("HAS CONCEPT MOD", ("121049", "DCM", "Language of Content Item and Descendants"), _LANGUAGE),
        _coded("HAS OBS CONTEXT", ("121005", "DCM", "Observer Type"), ("121006", "DCM", "Person")),
        _item(
            "HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"), PersonName=origin.author
        ),
        _coded(
            "HAS CONCEPT MOD",
            ("121058", "DCM", "Procedure reported"),
            ("363679005", "SCT", "Imaging procedure"),
        ),
        _container(("111028", "DCM", "Image Library"), "CONTAINS"),
        _container(
            ("126010", "DCM", "Imaging Measurements"), "CONTAINS", [_group(one) for one in measurements]
        ),
    ]
    _completed(ds, origin, [one.image for one in measurements])
    if predecessors:
        # PS3.3 C.17.2: documents "whose content has been wholly or partially included".
        ds.PredecessorDocumentsSequence = _evidence(origin, predecessors)
    return ds


def measured_by(report: Dataset) -> dict[str, tuple[str, list[list[float]]]]:
    """By Tracking Unique Identifier: who measured it, and the Graphic Data of its shapes, of a report made here."""
    found: dict[str, tuple[str, list[list[float]]]] = {}
    observers = report.get("AuthorObserverSequence") or [Dataset()]
    author = str(observers[0].get("PersonName", ""))
    for group in _groups(report, 0):
        uid, who, shapes = "", author, list[list[float]]()
        for node in group.get("ContentSequence") or []:
            uid = str(node.get("UID", uid))
            who = str(node.get("PersonName", who))
            for drawn in [node, *(node.get("ContentSequence") or [])]:
                points = drawn.get("GraphicData")
                if points is not None:
                    shapes.append([float(one) for one in points])
        if uid:
            found[uid] = (who, shapes)
    return found


def _groups(node: Dataset, depth: int) -> list[Dataset]:
    names = node.get("ConceptNameCodeSequence") or []
    if names and names[0].get("CodeValue") == "125007":
        return [node]
    below = (node.get("ContentSequence") or []) if depth < _DEPTH_MAX else []
    return [group for one in below for group in _groups(one, depth + 1)]


def key_objects(origin: Origin, images: Sequence[Image]) -> Dataset:
    """A Key Object Selection of interest (PS3.3 A.35.4, PS3.16 TID 2010)."""
    ds = _object(origin, KEY_OBJECT_SELECTION, "KO", "Key images")
    ds.update(_container(("113000", "DCM", "Of Interest")))
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    ds.ContentTemplateSequence = [template]
    ds.ContentSequence = [
        _coded("HAS CONCEPT MOD", ("121049", "DCM", "Language of Content Item and Descendants"), _LANGUAGE),
        *(_image("CONTAINS", one) for one in images),
    ]
    ds.CurrentRequestedProcedureEvidenceSequence = _evidence(origin, images)
    return ds


def presentation_state(origin: Origin, presentations: Sequence[Presentation], label: str) -> Dataset:
    """A Grayscale Softcopy Presentation State (PS3.3 A.33.1) of one way of looking at pictures of one study, which have
    their values by the same module: one that is not in the state is none of the picture's either (PS3.4 N.2.1.1)."""
    ds = _object(origin, GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, "PR", "Presentation")
    images = [one for presentation in presentations for one in presentation.images]
    first = presentations[0]
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = label, "As it was read", origin.author
    ds.PresentationCreationDate = origin.made_at.strftime("%Y%m%d")
    ds.PresentationCreationTime = origin.made_at.strftime("%H%M%S")
    ds.ReferencedSeriesSequence = _by_series(images)
    ds.DisplayedAreaSelectionSequence = [_area(one) for one in presentations]
    ds.update(first.values)
    windows = [one for one in presentations if one.window]
    if windows:
        ds.SoftcopyVOILUTSequence = [_window(one) for one in windows]
    ds.ImageRotation, ds.ImageHorizontalFlip = first.rotation % 360, "Y" if first.flipped else "N"
    ds.PresentationLUTShape = "INVERSE" if first.inverted else "IDENTITY"
    marks = [mark for one in presentations for mark in one.marks]
    if marks:
        layer = Dataset()
        layer.GraphicLayer, layer.GraphicLayerOrder = "MEASURED", 1
        ds.GraphicLayerSequence = [layer]
        ds.GraphicAnnotationSequence = [_annotation(one) for one in marks]
    return ds


def modality_values(picture: JsonDict, frame_number: int) -> Dataset:
    """The Modality LUT module (PS3.3 C.11.1) by which a picture's stored values become what windows are set in, empty where
    they are the same. `picture`: its metadata in the DICOM JSON model. Raises ValueError where a table is not in it."""
    if "00283000" in picture:
        return Dataset.from_json({"00283000": picture["00283000"]}, _bulk_is_missing)
    where = picture
    for groups, number in (("52009230", frame_number), ("52009229", 1)):
        items = picture.get(groups, {}).get("Value", [])[number - 1 : number]
        if items and "00289145" in items[0]:
            where = items[0]["00289145"]["Value"][0]
            break
    slope, intercept = (
        float(where.get(one, {}).get("Value", [default])[0])
        for one, default in (("00281053", 1), ("00281052", 0))
    )
    ds = Dataset()
    if (slope, intercept) != (1.0, 0.0):
        # US: not specified (PS3.3 C.11.1.1.2).
        kind = where.get("00281054", {}).get("Value", ["HU" if _is_ct(picture) else "US"])[0]
        ds.RescaleIntercept, ds.RescaleSlope = f"{intercept:.10g}", f"{slope:.10g}"
        ds.RescaleType = kind
    return ds


def _is_ct(picture: JsonDict) -> bool:
    return bool(picture.get("00080060", {}).get("Value") == ["CT"])


def _bulk_is_missing(*_: str) -> bytes:
    raise ValueError("the table is not in the metadata")


# Parts of all of them


def _object(origin: Origin, sop_class_uid: str, modality: str, description: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword in OF_THE_STUDY:
        if keyword in origin.study:
            ds[keyword] = origin.study[keyword]
        elif keyword in _EMPTY_IF_UNKNOWN:
            setattr(ds, keyword, "")
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, generate_uid(prefix=None)
    ds.SeriesInstanceUID, ds.Modality = generate_uid(prefix=None), modality
    ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = origin.series_number, 1, description
    day, time = origin.made_at.strftime("%Y%m%d"), origin.made_at.strftime("%H%M%S")
    ds.InstanceCreationDate = ds.SeriesDate = ds.ContentDate = day
    ds.InstanceCreationTime = ds.SeriesTime = ds.ContentTime = time
    ds.Manufacturer, ds.ManufacturerModelName = "Wetread", "Wetread viewer"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "1", "0.1"
    ds.TimezoneOffsetFromUTC = origin.made_at.strftime("%z") or "+0000"
    if modality == "PR":
        ds.Laterality = ""
        del ds.ContentDate, ds.ContentTime
    else:
        ds.ReferencedPerformedProcedureStepSequence = []
    return ds


def _completed(ds: Dataset, origin: Origin, images: Iterable[Image]) -> None:
    """SR Document General (PS3.3 C.17.2): complete, but nobody's signed opinion."""
    ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "PRELIMINARY"
    ds.PerformedProcedureCodeSequence = []
    evidence = list(images)
    if evidence:
        ds.CurrentRequestedProcedureEvidenceSequence = _evidence(origin, evidence)
    author = Dataset()
    author.ObserverType, author.PersonName, author.PersonIdentificationCodeSequence = "PSN", origin.author, []
    author.InstitutionName, author.InstitutionCodeSequence = "", []
    ds.AuthorObserverSequence = [author]


def _evidence(origin: Origin, images: Iterable[Image]) -> list[Dataset]:
    study = Dataset()
    study.StudyInstanceUID = origin.study.StudyInstanceUID
    study.ReferencedSeriesSequence = _by_series(images, "ReferencedSOPSequence")
    return [study]


def _by_series(images: Iterable[Image], keyword: str = "ReferencedImageSequence") -> list[Dataset]:
    found: dict[str, dict[str, Dataset]] = {}
    for one in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID = one.sop_class_uid
        reference.ReferencedSOPInstanceUID = one.sop_instance_uid
        found.setdefault(one.series_instance_uid, {}).setdefault(one.sop_instance_uid, reference)
    series = []
    for uid, references in found.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        setattr(item, keyword, list(references.values()))
        series.append(item)
    return series


def _reference(image: Image) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
    if image.frame_number is not None:
        ds.ReferencedFrameNumber = image.frame_number
    return ds


# Content items (PS3.3 C.17.3)


def _code(code: Code) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = code
    return ds


def _item(relationship: str | None, value_type: str, name: Code | None, **attributes: Any) -> Dataset:
    ds = Dataset()
    if relationship:
        ds.RelationshipType = relationship
    ds.ValueType = value_type
    if name:
        ds.ConceptNameCodeSequence = [_code(name)]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _coded(relationship: str, name: Code, value: Code) -> Dataset:
    return _item(relationship, "CODE", name, ConceptCodeSequence=[_code(value)])


def _container(name: Code, relationship: str | None = None, content: Sequence[Dataset] = ()) -> Dataset:
    ds = _item(relationship, "CONTAINER", name, ContinuityOfContent="SEPARATE")
    if content:
        ds.ContentSequence = list(content)
    return ds


def _image(relationship: str, image: Image) -> Dataset:
    return _item(relationship, "IMAGE", None, ReferencedSOPSequence=[_reference(image)])


def _drawn(relationship: str, name: Code | None, shape: Shape, image: Image) -> Dataset:
    return _item(
        relationship,
        "SCOORD",
        name,
        GraphicData=shape.data(),
        GraphicType=shape.graphic_type,
        ContentSequence=[_image("SELECTED FROM", image)],
    )


def _drawn_in(relationship: str, shape: SpatialShape, space: Space) -> Dataset:
    return _item(
        relationship,
        "SCOORD3D",
        None,
        GraphicData=shape.data(),
        GraphicType=shape.graphic_type,
        ReferencedFrameOfReferenceUID=space.frame_of_reference_uid,
    )


def _lies(one: Measurement, shape: int = 0) -> list[Dataset]:
    """Of what a value or a comment is: one shape, or all (−1), with the picture nearest to it where they are in space."""
    if one.space is None:
        flat = one.shapes if shape < 0 else [one.shapes[shape]]
        return [_drawn("INFERRED FROM", None, each, one.image) for each in flat]
    spatial = one.space.shapes if shape < 0 else [one.space.shapes[shape]]
    # PS3.16 TID 320.
    source = _image("INFERRED FROM", one.image)
    source.ConceptNameCodeSequence = [_code(("121112", "DCM", "Source of Measurement"))]
    return [*(_drawn_in("INFERRED FROM", each, one.space) for each in spatial), source]


def _looked_at(space: Space) -> Dataset:
    """Two points lie on many planes: what is drawn again on the one that was looked at says which."""
    words = "; ".join(
        f"{name} {' '.join(f'{value:.7f}' for value in vector)}"
        for name, vector in (("normal", space.view_plane_normal), ("up", space.view_up))
    )
    if space.slab:
        words += f"; slab {space.slab[0]} {space.slab[1]:g}"
    return _item("CONTAINS", "TEXT", ("view_plane", "99WETREAD", "Plane looked at"), TextValue=words)


def _group(one: Measurement) -> Dataset:
    """A Measurement Group: of a region (TID 1410) where something was counted in it, else of lines (TID 1501)."""
    content = [
        _item(
            "HAS OBS CONTEXT",
            "TEXT",
            ("112039", "DCM", "Tracking Identifier"),
            TextValue=one.tracking_identifier,
        ),
        _item(
            "HAS OBS CONTEXT", "UIDREF", ("112040", "DCM", "Tracking Unique Identifier"), UID=one.tracking_uid
        ),
    ]
    if one.author:
        content.append(
            _item(
                "HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"), PersonName=one.author
            )
        )
    is_region = one.space is None and any(value.concept in ("mean", "area") for value in one.values)
    if is_region:
        content.append(_drawn("CONTAINS", ("111030", "DCM", "Image Region"), one.shapes[0], one.image))
    for value in one.values:
        number = Dataset()
        number.NumericValue = f"{value.value:.6g}"
        number.MeasurementUnitsCodeSequence = [_code(UNITS.get(value.unit, UNITS[""]))]
        item = _item("CONTAINS", "NUM", CONCEPTS[value.concept], MeasuredValueSequence=[number])
        if not is_region:
            # What is of all shapes (an angle between two lines) is inferred from each.
            item.ContentSequence = _lies(one, value.shape)
        content.append(item)
    if one.comment:
        text = _item("CONTAINS", "TEXT", ("121106", "DCM", "Comment"), TextValue=one.comment)
        if not one.values:
            text.ContentSequence = _lies(one)
        content.append(text)
    if one.space:
        content.append(_looked_at(one.space))
    return _container(("125007", "DCM", "Measurement Group"), "CONTAINS", content)


# Presentation


def _area(one: Presentation) -> Dataset:
    ds = Dataset()
    ds.ReferencedImageSequence = [_reference(image) for image in one.images]
    left, top, right, bottom = one.area
    ds.DisplayedAreaTopLeftHandCorner, ds.DisplayedAreaBottomRightHandCorner = [left, top], [right, bottom]
    ds.PresentationSizeMode = "SCALE TO FIT"
    if one.spacing:
        ds.PresentationPixelSpacing = [f"{value:.8g}" for value in one.spacing]
    else:
        ds.PresentationPixelAspectRatio = [1, 1]
    return ds


def _window(one: Presentation) -> Dataset:
    ds = Dataset()
    ds.ReferencedImageSequence = [_reference(image) for image in one.images]
    assert one.window is not None
    ds.WindowCenter, ds.WindowWidth = (f"{value:.8g}" for value in one.window)
    return ds


def _annotation(one: Measurement) -> Dataset:
    ds = Dataset()
    ds.ReferencedImageSequence, ds.GraphicLayer = [_reference(one.image)], "MEASURED"
    ds.GraphicObjectSequence = []
    for shape in one.shapes:
        drawn = Dataset()
        drawn.GraphicAnnotationUnits, drawn.GraphicDimensions = "PIXEL", 2
        drawn.NumberOfGraphicPoints, drawn.GraphicData = len(shape.points), shape.data()
        drawn.GraphicType, drawn.GraphicFilled = shape.graphic_type, "N"
        ds.GraphicObjectSequence.append(drawn)
    words = one.comment or one.tracking_identifier
    text = Dataset()
    text.UnformattedTextValue, text.AnchorPointAnnotationUnits = words, "PIXEL"
    text.AnchorPoint, text.AnchorPointVisibility = [float(each) for each in one.shapes[0].points[0]], "N"
    ds.TextObjectSequence = [text]
    return ds
