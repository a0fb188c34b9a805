"""The printed report and its key images."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from case_fixtures import PASSWORD, Ward
from wetread.dicom.orientation import Edges
from wetread.kit.clock import FixedClock
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.reporting import pictures, service
from wetread.security.service import Actor, Role, Work


@pytest.fixture(autouse=True)
def renderer() -> Iterator[list[service.MarkedImage]]:
    """Draws a grey square for every frame but the third, and remembers what it was asked for."""
    asked: list[service.MarkedImage] = []
    before = pictures._renderer

    def draw(_work: Work, image: service.MarkedImage) -> pictures.KeyPicture | None:
        asked.append(image)
        if image.frame_number == 3:
            return None
        out = io.BytesIO()
        Image.new("L", (64, 64), 120).save(out, "PNG")
        edges = Edges("A", "P", "R", "L")
        return pictures.KeyPicture(
            out.getvalue(), image.note, "RIGHT", "2026-11-27 · CC · series 2, image 5", edges
        )

    pictures.use_renderer(draw)
    yield asked
    pictures._renderer = before


def pdf_of(ward: Ward, reader: Actor, report_pk: int) -> bytes:
    with ward.offices.work(reader) as work:
        return service.document(work, service.get_report(work, report_pk))


def text_of(content: bytes, folder: Path) -> str:
    file = folder / "report.pdf"
    file.write_bytes(content)
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True)
    return re.sub(r"\s+", " ", done.stdout.decode())


def pictures_in(content: bytes, folder: Path) -> int:
    file = folder / "report.pdf"
    file.write_bytes(content)
    done = subprocess.run(["pdfimages", "-list", str(file)], check=True, capture_output=True, text=True)
    return sum(" image " in line for line in done.stdout.splitlines())


def reported(
    ward: Ward, reader: Actor, kind: str = "final", name: str = "Moss^Ada", **sections: str
) -> service.ReportView:
    case = ward.case("XRKNEE", side="L", name=name)
    with ward.offices.work(reader) as work:
        view = service.open_report(work, [case.requested_procedure_pk])
        return service.sign(
            work, view.report_pk, kind, {"findings": "Left knee.", "impression": "Normal.", **sections},
            view.draft_revision, acknowledged=[], password=PASSWORD, totp=None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Иванова^Ольга", "Иванова, Ольга"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎 / やまだ たろう)"),
        ("Müller-Lüdenscheidt^Jörg^^Dr.", "Müller-Lüdenscheidt, Dr. Jörg"),
    ],
)
def test_the_report_is_pdf_a_and_its_text_can_be_taken_out_in_any_script(
    ward: Ward, tmp_path: Path, name: str, shown: str
) -> None:
    reader = ward.person()
    view = reported(ward, reader, name=name, findings="Links: Erguß. Слева: перелом. 左膝: 骨折なし。")
    content = pdf_of(ward, reader, view.report_pk)
    assert content.startswith(b"%PDF-")
    assert (
        b"<pdfaid:part>2</pdfaid:part>" in content
        and b"<pdfaid:conformance>B</pdfaid:conformance>" in content
    )
    words = text_of(content, tmp_path)
    assert shown in words
    for expected in (
        "RIV Hospital", "Radiograph knee", "LEFT", "Erguß", "перелом", "骨折なし", "Normal.", "R51.9", "1960-05-04",
        "Signed electronically by Dr. Ines Moreau", view.procedures[0].accession_number,
        view.patient.patient_id or "no identifier", "2026-11-24 22:00 EST",
    ):  # fmt: skip
        assert expected in words, expected
    assert "PRELIMINARY" not in words


def test_a_preliminary_says_so_and_a_final_replaces_it(ward: Ward, tmp_path: Path) -> None:
    reader = ward.person()
    first = reported(ward, reader, "preliminary", impression="Perhaps a fracture.")
    assert "PRELIMINARY REPORT: not final" in text_of(pdf_of(ward, reader, first.report_pk), tmp_path)
    with ward.offices.work(reader) as work:
        service.sign(
            work, first.report_pk, "final", {"impression": "No fracture."}, first.draft_revision, acknowledged=[],
            password=PASSWORD, totp=None,
        )  # fmt: skip
        service.addend(work, first.report_pk, "Compared with 2020.", password=PASSWORD, totp=None)
    words = text_of(pdf_of(ward, reader, first.report_pk), tmp_path)
    assert "PRELIMINARY" not in words and "Perhaps a fracture." not in words
    assert words.index("No fracture.") < words.index("ADDENDUM") < words.index("Compared with 2020.")
    assert words.count("Signed electronically") == 2


def test_markup_in_a_report_is_text(ward: Ward, tmp_path: Path) -> None:
    reader = ward.person()
    nasty = '#read("/etc/passwd") $x^2$ *bold* _it_ <b> \\ `raw` @ref [x] {y}'
    view = reported(ward, reader, impression=nasty)
    assert nasty in text_of(pdf_of(ward, reader, view.report_pk), tmp_path)


def test_what_nobody_signed_has_no_document(ward: Ward, api) -> None:
    reader = ward.person()
    case = ward.case()
    with ward.offices.work(reader) as work:
        view = service.open_report(work, [case.requested_procedure_pk])
    with pytest.raises(Conflict):
        pdf_of(ward, reader, view.report_pk)
    assert api.as_role("radiologist").get(f"/api/reports/{view.report_pk}/pdf").status_code == 409


def test_the_download_is_not_kept_by_the_browser_and_names_no_patient(ward: Ward, api) -> None:
    view = reported(ward, ward.person())
    answer = api.as_role("technologist").get(f"/api/reports/{view.report_pk}/pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["cache-control"] == "no-store"
    assert "Moss" not in answer.headers["content-disposition"]
    assert api.as_role("biller").get(f"/api/reports/{view.report_pk}/pdf").status_code == 403


def mark(
    ward: Ward,
    reader: Actor,
    study_pk: int,
    frame: int = 1,
    note: str | None = None,
    window: service.KeyWindow | None = None,
) -> service.MarkedImage:
    series, image = ward.image(study_pk)
    with ward.offices.work(reader) as work:
        return service.mark_key_image(work, study_pk, series, image, frame, note, window)


def test_key_images_are_marked_renoted_printed_and_taken_back(
    ward: Ward, tmp_path: Path, renderer: list[service.MarkedImage]
) -> None:
    reader = ward.person()
    view = reported(ward, reader, "preliminary")
    study_pk = view.procedures[0].study_pk
    assert study_pk is not None
    first = mark(ward, reader, study_pk)
    assert mark(ward, reader, study_pk, note="Fracture line").key_image_pk == first.key_image_pk
    mark(ward, reader, study_pk, 2)
    lung = service.KeyWindow(-600, 1500)
    mark(ward, reader, study_pk, 2, window=lung)
    mark(ward, reader, study_pk, 3)
    with ward.offices.work(reader) as work:
        shown = service.get_report(work, view.report_pk).key_images
    assert [(one.frame_number, one.note) for one in shown] == [(1, "Fracture line"), (2, None), (3, None)]
    assert pictures_in(pdf_of(ward, reader, view.report_pk), tmp_path) == 2, (
        "what cannot be drawn is left out"
    )
    # Which side it is, and what is where on it, can be read by whoever has the paper alone.
    words = text_of(pdf_of(ward, reader, view.report_pk), tmp_path)
    assert "RIGHT Fracture line" in words and words.count("2026-11-27 · CC · series 2, image 5") == 2
    assert all(words.split().count(letter) == 2 for letter in "APRL")
    renderer.clear()
    pdf_of(ward, reader, view.report_pk)
    # As the reader saw it: a lung in a window of soft tissue is black.
    assert [(one.frame_number, one.window) for one in renderer] == [(1, None), (2, lung), (3, None)]
    with ward.offices.work(reader) as work:
        service.unmark_key_image(work, first.key_image_pk)
    with pytest.raises(NotFound), ward.offices.work(reader) as work:
        service.unmark_key_image(work, first.key_image_pk)
    assert pictures_in(pdf_of(ward, reader, view.report_pk), tmp_path) == 1


def test_a_signed_document_keeps_the_images_that_it_was_signed_with(
    ward: Ward, clock: FixedClock, tmp_path: Path, renderer: list[service.MarkedImage]
) -> None:
    reader = ward.person()
    view = reported(ward, reader, "preliminary")
    study_pk = view.procedures[0].study_pk
    assert study_pk is not None
    first = mark(ward, reader, study_pk, note="Fracture line")
    with ward.offices.work(reader) as work:
        sections = {"findings": "Left knee.", "impression": "Fracture."}
        view = service.sign(
            work, view.report_pk, "final", sections, view.draft_revision,
            acknowledged=[], password=PASSWORD, totp=None,
        )  # fmt: skip
    clock.advance(timedelta(minutes=1))
    mark(ward, reader, study_pk, 2)
    assert pictures_in(pdf_of(ward, reader, view.report_pk), tmp_path) == 1
    with pytest.raises(Conflict, match="signed report"), ward.offices.work(reader) as work:
        service.unmark_key_image(work, first.key_image_pk)
    with pytest.raises(Conflict, match="signed report"):
        mark(ward, reader, study_pk, note="No fracture")
    with pytest.raises(Conflict, match="signed report"):
        mark(ward, reader, study_pk, note="Fracture line", window=service.KeyWindow(500, 2500))
    assert mark(ward, reader, study_pk, note="Fracture line").key_image_pk == first.key_image_pk
    clock.advance(timedelta(minutes=1))
    with ward.offices.work(reader) as work:
        service.addend(work, view.report_pk, "Seen from the side too.", password=PASSWORD, totp=None)
    assert pictures_in(pdf_of(ward, reader, view.report_pk), tmp_path) == 2
    assert {one.frame_number for one in renderer} == {1, 2}


def test_an_image_of_another_patient_never_becomes_a_key_image_of_this_one(ward: Ward) -> None:
    reader = ward.person()
    mine, other = ward.case(), ward.case(name="Other^Person")
    series, image = ward.image(other.study_pk)
    own_series, own_image = ward.image(mine.study_pk)
    for wrong in ((series, image), (own_series, image), (series, own_image), (own_series, "1.2.3")):
        with pytest.raises(NotFound), ward.offices.work(reader) as work:
            service.mark_key_image(work, mine.study_pk, *wrong)
    for frame in (0, 4):
        with pytest.raises(Invalid), ward.offices.work(reader) as work:
            service.mark_key_image(work, mine.study_pk, own_series, own_image, frame)
    with pytest.raises(NotFound), ward.offices.work(reader) as work:
        service.mark_key_image(work, mine.study_pk + 1000, own_series, own_image)


def test_only_who_reports_marks(ward: Ward) -> None:
    case = ward.case()
    for actor in (ward.person("Jun", Role.TECHNOLOGIST), Actor.system("test")):
        with pytest.raises(Denied):
            mark(ward, actor, case.study_pk)
