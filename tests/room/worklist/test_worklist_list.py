"""The reading list: whose turn it is, page by page, and what the filters leave."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from case_fixtures import Ward
from common import NOW
from wetread.kit.errors import Denied, Invalid, NotFound
from wetread.kit.paging import encode_cursor
from wetread.orders.model import RequestedProcedure
from wetread.orders.service import Move, move_requested_procedure
from wetread.reporting.service import open_report, sign
from wetread.security.model import AuditRecord
from wetread.security.service import Actor, Role
from wetread.worklist import service
from wetread.worklist.service import ReadingFilter, ReadingItem


def listed(ward: Ward, actor: Actor, **wanted: object) -> list[ReadingItem]:
    with ward.offices.work(actor) as work:
        return service.reading_list(work, ReadingFilter(**wanted)).items


def keys(items: list[ReadingItem]) -> list[int]:
    return [item.requested_procedure_pk for item in items]


def test_stat_comes_first_then_urgent_then_the_oldest_first_image(ward: Ward) -> None:
    late_routine = ward.case(at=NOW)
    old_routine = ward.case(at=NOW - timedelta(days=3))
    late_urgent = ward.case(priority="URGENT", at=NOW)
    old_urgent = ward.case(priority="URGENT", at=NOW - timedelta(hours=1))
    late_stat = ward.case(priority="STAT", at=NOW)
    old_stat = ward.case(priority="STAT", at=NOW - timedelta(minutes=1))
    found = listed(ward, ward.person())
    assert keys(found) == [
        one.requested_procedure_pk
        for one in (old_stat, late_stat, old_urgent, late_urgent, old_routine, late_routine)
    ]
    assert [item.due_at - item.first_image_at for item in found[::2]] == [
        timedelta(hours=1),
        timedelta(hours=4),
        timedelta(hours=24),
    ]


def test_pages_of_ties_show_every_case_once_even_where_new_ones_come_in_between(ward: Ward) -> None:
    cases = [ward.case(priority="STAT") for _ in range(5)] + [ward.case() for _ in range(4)]
    reader = ward.person()
    seen: list[int] = []
    cursor = None
    pages = 0
    while True:
        with ward.offices.work(reader) as work:
            page = service.reading_list(work, ReadingFilter(), cursor=cursor, limit=2)
        assert (page.total == 9) is (pages == 0), "counted once, at the beginning"
        seen += keys(page.items)
        pages += 1
        if pages == 2:
            ward.case(priority="STAT", at=NOW - timedelta(hours=5))  # before everything that was shown
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == 5
    assert seen == [one.requested_procedure_pk for one in cases]


@pytest.mark.parametrize(
    "cursor",
    [
        "%%%",
        encode_cursor(0, NOW.isoformat(), 1),
        encode_cursor(0, "yesterday", 1, 1),
        encode_cursor("x", NOW.isoformat(), 1, 1),
        encode_cursor(0, NOW.isoformat(), None, 1),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(ward: Ward, cursor: str) -> None:
    with pytest.raises(Invalid) as refused, ward.offices.work(ward.person()) as work:
        service.reading_list(work, ReadingFilter(), cursor=cursor)
    assert refused.value.fields[0].field == "cursor"


def test_a_case_is_on_the_list_only_with_images_and_while_it_is_wanted(ward: Ward) -> None:
    ward.ordered()
    canceled = ward.case()
    with ward.made() as work:
        work.session.get_one(RequestedProcedure, canceled.requested_procedure_pk).state = "CANCELED"
    unlinked = ward.study(ward.patient())
    assert listed(ward, ward.person()) == []
    with pytest.raises(NotFound), ward.offices.work(ward.person()) as work:
        service.reading_item(work, unlinked)


def test_filters_narrow_and_together_exclude(ward: Ward) -> None:
    with ward.made() as work:
        other_site = ward.add_site(work, "HIL")
    head = ward.case(name="Müller^Jörg").requested_procedure_pk
    chest = ward.case(
        "CTCHEST", priority="STAT", site_pk=other_site, name="Иванова^Ольга"
    ).requested_procedure_pk
    knee = ward.case("XRKNEE", side="L", name="Yamada^Tarou=山田^太郎").requested_procedure_pk
    reader = ward.person()

    def found(**wanted: object) -> set[int]:
        return set(keys(listed(ward, reader, **wanted)))

    assert found() == {head, chest, knee}
    assert found(modalities=["DX"]) == {knee}
    assert found(modalities=["DX", "CT"]) == {head, chest, knee}
    assert found(site_pk=other_site) == {chest}
    assert found(body_part_examined="HEAD") == {head}
    assert found(priority="STAT") == {chest}
    assert found(priority="STAT", modalities=["DX"]) == set()
    assert found(text="mueller") == found(text="Müller") == found(text="jör") == {head}
    assert found(text="ivanova") == found(text="Иванова") == {chest}
    assert found(text="山田") == found(text="yamada knee") == {knee}
    assert found(text="sent") == set(), "what the scanner sent is not the name shown"
    assert found(text="%") == found(text="_") == found(text="-") == set(), "no wildcards from outside"
    assert found(text="yamada head") == set(), "every word must be found"


def test_search_takes_accession_number_and_identifier(ward: Ward) -> None:
    one, _ = ward.case(), ward.case()
    reader = ward.person()
    (item,) = [
        item for item in listed(ward, reader) if item.requested_procedure_pk == one.requested_procedure_pk
    ]
    assert keys(listed(ward, reader, text=item.accession_number)) == [item.requested_procedure_pk]
    assert item.patient.patient_id
    assert keys(listed(ward, reader, text=item.patient.patient_id)) == [item.requested_procedure_pk]


def test_states_are_those_of_the_report(ward: Ward) -> None:
    reader = ward.person()
    unread, draft, preliminary, final = (ward.case().requested_procedure_pk for _ in range(4))
    for procedure, kind in ((draft, None), (preliminary, "preliminary"), (final, "final")):
        with ward.offices.work(reader) as work:
            report = open_report(work, [procedure])
            if kind:
                sign(
                    work, report.report_pk, kind, {"impression": "Normal."}, report.draft_revision, acknowledged=[],
                    password="correct horse battery staple", totp=None,
                )  # fmt: skip
    assert keys(listed(ward, reader)) == [unread, draft, preliminary]
    for state, procedure in {
        "unread": unread,
        "draft": draft,
        "preliminary": preliminary,
        "final": final,
    }.items():
        (item,) = listed(ward, reader, states=[state])
        assert (item.requested_procedure_pk, item.reading_state) == (procedure, state)


def test_an_unknown_state_is_refused_rather_than_taken_for_no_filter(ward: Ward, api) -> None:
    ward.case()
    reader = api.as_role("radiologist")
    for answer in (
        reader.get("/api/reading-list?state=unraed"),
        reader.post("/api/reading-list/find", json={"state": ["unraed"]}),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("state")


def test_a_search_for_a_name_travels_in_the_body(ward: Ward, api) -> None:
    wanted = ward.case()
    ward.case()
    reader = api.as_role("radiologist")

    def shown(**body: object) -> list[int]:
        answer = reader.post("/api/reading-list/find", json=body)
        assert answer.status_code == 200, answer.text
        return [one["requested_procedure_pk"] for one in answer.json()["items"]]

    with ward.made() as work:
        item = service.reading_item(work, wanted.study_pk)
    assert shown(text=item.patient.patient_id) == [wanted.requested_procedure_pk]
    assert (
        shown(text=item.patient.patient_id, state=["final"])
        == shown(text=item.patient.patient_id, mine=True)
        == []
    )
    first = reader.post("/api/reading-list/find", json={"limit": 1}).json()
    second = reader.post("/api/reading-list/find", json={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert len(first["items"]) == len(second["items"]) == 1
    assert first["items"] != second["items"]
    assert second["next_cursor"] is None


def test_who_works_at_one_site_sees_that_site(ward: Ward) -> None:
    with ward.made() as work:
        other_site = ward.add_site(work, "HIL")
    here, there = ward.case(), ward.case(site_pk=other_site)
    local = ward.person("Dr. Local", site_pks=[other_site])
    assert keys(listed(ward, local)) == [there.requested_procedure_pk]
    with ward.offices.work(local) as work:
        with pytest.raises(NotFound):
            service.reading_item(work, here.study_pk)
        with pytest.raises(NotFound):
            service.claim(work, here.requested_procedure_pk)
        assert service.claim(work, there.requested_procedure_pk)


def test_only_who_may_read_the_list_does_and_it_is_recorded(ward: Ward) -> None:
    ward.case()
    with pytest.raises(Denied), ward.offices.work(ward.person("Farah", Role.FRONT_DESK)) as work:
        service.reading_list(work, ReadingFilter())
    reader = ward.person()
    listed(ward, reader)
    with ward.made() as work:
        record = work.session.scalars(
            select(AuditRecord).where(
                AuditRecord.user_id == reader.username, AuditRecord.object_type == "reading list"
            )
        ).one()
    assert record.detail == {"shown": "1"}


def test_a_group_case_names_its_other_procedures(ward: Ward) -> None:
    first = ward.case()
    second = ward.ordered("CTCHEST", patient_pk=first.patient_pk)
    with ward.made() as work:
        move_requested_procedure(work, second.requested_procedure_pk, Move.START)
    ward.link(first.study_pk, second.requested_procedure_pk)
    with ward.offices.work(ward.person()) as work:
        item = service.reading_item(work, first.study_pk)
    assert {item.requested_procedure_pk, *item.other_procedure_pks} == {
        first.requested_procedure_pk,
        second.requested_procedure_pk,
    }
