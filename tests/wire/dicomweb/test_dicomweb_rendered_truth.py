"""Rendered pictures are what numpy and pydicom make of the same object, within rounding, as the viewer's are."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import generate_uid

import viewer_pictures as pictures
from viewer_fixtures import enlarged
from viewer_pictures import Picture


def fault_of(one: Picture, picture: Image.Image) -> str | None:
    """What is wrong, in words; None: nothing."""
    seen = np.asarray(picture.convert("RGB")).astype(float)
    # Pixels that are not square are made so.
    wanted = (
        (one.values, np.ones(one.values.shape[:2], bool))
        if one.aspect == 1
        else enlarged(one.values, seen.shape[:2], one.aspect)
    )
    expected = one.look(wanted[0])
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    if seen.shape != expected.shape:
        return f"of the size {seen.shape}"
    off = np.abs(seen - expected).max(axis=2)[wanted[1]]
    worst = float(np.percentile(off, 98))
    # Where pixels are made square, the server's filter is another than between four neighbours.
    allowed = one.tolerance if one.aspect == 1 else 12
    return None if worst <= allowed else f"off by {worst:.1f} of 255, at most {off.max():.0f}"


@pytest.mark.parametrize("wanted", [pictures.made, pictures.packaged], ids=["made", "of pydicom"])
def test_rendered_frames_are_the_pictures(
    store: Any, reader: Any, wanted: Callable[[], list[Picture]]
) -> None:
    faults, study = [], generate_uid()
    for number, one in enumerate(wanted(), 1):
        ds = one.dataset
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, generate_uid(), generate_uid()
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
            "Test^Picture",
            "PIX",
            "HOSPITAL",
            "A1",
        )
        ds.PatientBirthDate, ds.PatientSex, ds.SeriesNumber, ds.InstanceNumber = "", "", number, 1
        [result] = store(pictures.as_file(ds), as_files=True)
        assert result.status == 0, (one.name, result)
        path = f"/studies/{study}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/frames/{one.number}/rendered"
        answer = reader.get(path, Accept="image/png")
        fault = (
            f"answered {answer.status}"
            if answer.status != 200
            else fault_of(one, Image.open(io.BytesIO(answer.body)))
        )
        if fault:
            faults.append(f"{one.name}: {fault}")
    assert not faults, "\n".join(faults)
