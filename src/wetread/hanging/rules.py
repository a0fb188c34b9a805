"""What a hanging protocol says, in checked words: which studies it is for, and what hangs in which box of which stage.

Fields are the keywords of the Hanging Protocol modules (PS3.3 C.23) and of the attributes that series are chosen by;
GLOSSARY.md has those that are our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

STAGES_MAX = 12
SIDE_MAX = 3
PRIORS_MAX = 4
NAME_CHARACTERS_MAX = 64
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


def _code(value: str) -> str:
    said = value.strip().upper()
    if not _CODE.fullmatch(said):
        raise ValueError("is a code string: 1 to 16 capitals, digits, spaces or underscores (PS3.5 6.2, CS)")
    return said


def _words(value: str) -> str:
    said = " ".join(value.split())
    if not said:
        raise ValueError("says nothing; leave it out instead")
    return said


Code = Annotated[str, Field(max_length=16), AfterValidator(_code)]
Words = Annotated[str, Field(max_length=64), AfterValidator(_words)]
Laterality = Literal["L", "R", "B"]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Definition(_Said):
    """Which studies it is for; all that is said must be so of a study (Hanging Protocol Definition Sequence).

    `procedure`: words that must all stand in the description of the procedure or the study.
    `number_of_priors_referenced`: at least so many comparable priors.
    """

    modality: Code | None = None
    body_part_examined: Code | None = None
    procedure_code: Annotated[str, Field(max_length=16), AfterValidator(_words)] | None = None
    procedure: Words | None = None
    laterality: Laterality | None = None
    view_position: Code | None = None
    number_of_priors_referenced: int = Field(0, ge=0, le=PRIORS_MAX)

    @model_validator(mode="after")
    def _is_for_some(self) -> Definition:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("needs at least one condition, or it would take every study")
        return self


class Selector(_Said):
    """Which series: all that is said must be so of it (Image Set Selector Sequence). A localiser only where asked for.

    `series_description`: words that must all stand in it. `plane`: as Reformatting Operation Initial View Direction names
    them. `slice_thickness_min` and `_max` in mm. `occurrence`: which of several that are so, by series number, from 1.
    """

    modality: Code | None = None
    series_description: Words | None = None
    plane: Literal["TRANSVERSE", "SAGITTAL", "CORONAL", "OBLIQUE"] | None = None
    patient_orientation: list[Code] | None = Field(None, min_length=2, max_length=2)
    image_laterality: Laterality | None = None
    view_position: Code | None = None
    scanning_sequence: list[Code] | None = Field(None, min_length=1, max_length=8)
    contrast_bolus: bool | None = None
    convolution_kernel: Words | None = None
    slice_thickness_min: float | None = Field(None, ge=0, le=1000)
    slice_thickness_max: float | None = Field(None, gt=0, le=1000)
    is_localizer: bool = False
    occurrence: int = Field(1, ge=1, le=99)

    @model_validator(mode="after")
    def _is_possible(self) -> Selector:
        least, most = self.slice_thickness_min, self.slice_thickness_max
        if least is not None and most is not None and least > most:
            raise ValueError("slice_thickness_min is above slice_thickness_max: no series can be so")
        return self


class Window(_Said):
    """In the image's own units."""

    window_center: float = Field(ge=-1e6, le=1e6)
    window_width: float = Field(ge=1, le=1e6)


class ImageBox(_Said):
    """What hangs in one box (Image Boxes Sequence). `abstract_prior_value`: null the study that is read, 1 its most telling
    comparable prior, 2 the next. Turned first and flipped then (PS3.3 C.10.5). `presentation_pixel_magnification_ratio`:
    pixels of the screen for one of the image; null fits it to the box."""

    abstract_prior_value: int | None = Field(None, ge=1, le=PRIORS_MAX)
    selector: Selector
    window: Window | None = None
    show_grayscale_inverted: bool = False
    image_rotation: Literal[0, 90, 180, 270] = 0
    image_horizontal_flip: bool = False
    presentation_pixel_magnification_ratio: float | None = Field(None, gt=0, le=64)


class Together(_Said):
    """What boxes do together: scroll by place, zoom and move, window, reference lines."""

    scroll: bool = True
    view: bool = False
    window: bool = True
    lines: bool = True


class Reformatting(_Said):
    """Planes laid through the series of one box, from 1 as boxes count (PS3.3 C.23.3, Reformatting Operation Type)."""

    image_box_number: int = Field(ge=1, le=SIDE_MAX * SIDE_MAX)
    reformatting_operation_type: Literal["MPR", "SLAB"] = "MPR"
    slab: Literal["MIP", "MINIP", "AVERAGE"] | None = None
    reformatting_thickness: float | None = Field(None, ge=1, le=200)

    @model_validator(mode="after")
    def _is_whole(self) -> Reformatting:
        if (self.reformatting_operation_type == "SLAB") != (
            self.slab is not None and self.reformatting_thickness is not None
        ):
            raise ValueError("a SLAB needs its kind and its thickness in mm, and an MPR has neither")
        return self


class Stage(_Said):
    """One Display Set: boxes by reading order; null leaves a box empty."""

    display_set_label: Words | None = None
    rows: int = Field(ge=1, le=SIDE_MAX)
    columns: int = Field(ge=1, le=SIDE_MAX)
    image_boxes: list[ImageBox | None] = Field(max_length=SIDE_MAX * SIDE_MAX)
    together: Together = Together()
    reformatting: Reformatting | None = None

    @model_validator(mode="after")
    def _has_its_boxes(self) -> Stage:
        boxes = self.rows * self.columns
        if len(self.image_boxes) != boxes:
            raise ValueError(
                f"{self.rows} rows of {self.columns} need {boxes} image_boxes, not {len(self.image_boxes)}"
            )
        if all(box is None for box in self.image_boxes):
            raise ValueError("shows nothing: at least one image box needs a rule")
        through = self.reformatting
        if through and (
            through.image_box_number > boxes or self.image_boxes[through.image_box_number - 1] is None
        ):
            raise ValueError("reformatting names a box that has no rule")
        return self


Stages = Annotated[Sequence[Stage], Field(min_length=1, max_length=STAGES_MAX)]


def priors_needed(stages: Sequence[Stage]) -> int:
    """How many priors the boxes of all stages look at: the greatest Abstract Prior Value."""
    return max(
        (box.abstract_prior_value or 0 for stage in stages for box in stage.image_boxes if box), default=0
    )
