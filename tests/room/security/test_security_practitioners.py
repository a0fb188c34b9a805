"""Physicians: an NPI that is one, held by one, and whose account is whose."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from common import Api
from wetread.app.subscriptions import SUBSCRIPTIONS
from wetread.kit.events import OutboxEvent
from wetread.security.model import AuditRecord, Practitioner, User
from wetread.security.rules import valid_npi
from wetread.security.service import Actor, Work

NPI = "1679576722"


def made(api: Api, **fields: object) -> dict[str, object]:
    answer = api.post("/api/practitioners", json={"person_name": "Smith^Ann^^Dr.", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def fault(answer) -> tuple[int, list[str]]:
    return answer.status_code, [one["field"] for one in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("npi", "valid"),
    [
        ("1234567893", True), (NPI, True), ("1999999984", True),
        ("1234567890", False), ("1679576723", False), ("123456789", False), ("12345678931", False), ("", False),
        ("3234567891", False), ("१२३४५६७८९३", False), ("123456789³", False), ("1234 67893", False),
    ],
)  # fmt: skip
def test_the_check_digit(npi: str, valid: bool) -> None:
    assert valid_npi(npi) is valid


@pytest.mark.parametrize("role", ["front_desk", "admin"])
def test_who_takes_orders_or_runs_the_house_keeps_physicians(api: Api, role: str) -> None:
    client = api.as_role(role)
    one = made(client, npi=NPI, taxonomy_code="207R00000X")
    changed = client.patch(
        f"/api/practitioners/{one['practitioner_pk']}",
        json={"person_name": " Smith-Jones^Ann^^Dr.^ ", "phone": ""},
    ).json()
    assert (changed["person_name"], changed["npi"], changed["phone"]) == ("Smith-Jones^Ann^^Dr.", NPI, None)
    assert [
        row["practitioner_pk"]
        for row in client.post("/api/practitioners/find", json={"text": "smith"}).json()
    ] == [one["practitioner_pk"]]


@pytest.mark.parametrize("role", ["radiologist", "technologist", "referrer", "manager", "biller"])
def test_others_look_only(api: Api, role: str) -> None:
    one = made(api.as_role("admin"))
    client = api.as_role(role)
    assert len(client.get("/api/practitioners").json()) == 1
    assert client.post("/api/practitioners", json={"person_name": "X^Y"}).status_code == 403
    assert (
        client.patch(f"/api/practitioners/{one['practitioner_pk']}", json={"phone": "1"}).status_code == 403
    )


def test_what_is_wrong_is_named_and_nothing_is_kept(api: Api) -> None:
    client = api.as_role("front_desk")
    one = made(client, npi=NPI)
    path = f"/api/practitioners/{one['practitioner_pk']}"
    assert fault(client.post("/api/practitioners", json={"person_name": "X^Y", "npi": "1679576723"})) == (
        422,
        ["npi"],
    )
    assert fault(client.post("/api/practitioners", json={"person_name": "X^Y", "npi": NPI})) == (409, ["npi"])
    assert fault(client.post("/api/practitioners", json={"person_name": " ^^ "})) == (422, ["person_name"])
    assert fault(client.patch(path, json={"person_name": None})) == (422, ["person_name"])
    assert fault(client.patch(path, json={"npi": "1234567890", "phone": "555"})) == (422, ["npi"])
    assert fault(client.patch(path, json={"taxonomy_code": "radiology"})) == (422, ["taxonomy_code"])
    assert client.patch(path, json={"practitioner_pk": 7}).status_code == 422
    assert client.patch("/api/practitioners/999999", json={"phone": "1"}).status_code == 404
    other = made(client, person_name="Other^Tim")
    assert fault(client.patch(f"/api/practitioners/{other['practitioner_pk']}", json={"npi": NPI})) == (
        409,
        ["npi"],
    )
    assert client.patch(path, json={"npi": NPI}).status_code == 200, "one's own is not taken"
    with api.offices.work(Actor.system("test")) as work:
        rows = work.session.scalars(select(Practitioner).order_by(Practitioner.practitioner_pk)).all()
        assert [(row.person_name, row.npi, row.phone) for row in rows] == [
            ("Smith^Ann^^Dr.", NPI, None),
            ("Other^Tim", None, None),
        ]


def test_a_correction_is_recorded_and_told_to_whom_it_concerns(api: Api) -> None:
    client = api.as_role("admin")
    one = made(client)
    client.patch(f"/api/practitioners/{one['practitioner_pk']}", json={"npi": NPI, "phone": "555-0100"})
    with api.offices.work(Actor.system("test")) as work:
        event = work.session.scalars(
            select(OutboxEvent).where(OutboxEvent.kind == "practitioner.changed")
        ).one()
        actions = work.session.scalars(
            select(AuditRecord.event_action_code).where(AuditRecord.object_type == "practitioner")
        ).all()
    assert event.keys == {"practitioner_pk": one["practitioner_pk"]}
    assert sorted(actions) == ["C", "U"]
    assert SUBSCRIPTIONS["practitioner.changed"] == ("billing.practitioner_changed",)


def test_the_account_of_a_physician_is_shown_and_linked_by_administrators(api: Api) -> None:
    admin = api.as_role("admin")
    one = made(admin)
    assert (one["user_pk"], one["user_display_name"]) == (None, None)
    reader = api.as_role("radiologist")
    link = {"practitioner_pk": one["practitioner_pk"]}
    assert api.as_role("front_desk").patch(f"/api/users/{reader.user_pk}", json=link).status_code == 403
    assert admin.patch(f"/api/users/{reader.user_pk}", json=link).status_code == 200
    (shown,) = admin.get("/api/practitioners").json()
    assert (shown["user_pk"], shown["user_display_name"]) == (reader.user_pk, "radiologist")
    admin.patch(f"/api/users/{reader.user_pk}", json={"practitioner_pk": None})
    assert admin.get("/api/practitioners").json()[0]["user_pk"] is None


def test_a_physician_has_one_open_account(api: Api) -> None:
    """Results go to whose account says that it is theirs: two persons cannot both say so."""
    admin = api.as_role("admin")
    one, other = made(admin), made(admin, person_name="Other^Ann")
    link = {"practitioner_pk": one["practitioner_pk"]}
    first, second = api.as_role("referrer"), api.as_role("referrer")
    assert admin.patch(f"/api/users/{first.user_pk}", json=link).status_code == 200
    refused = admin.patch(f"/api/users/{second.user_pk}", json=link)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "practitioner_pk")
    assert first.username in refused.json()["detail"]
    new = {"username": "third", "display_name": "Third", "roles": ["referrer"]}
    assert admin.post("/api/users", json={**new, **link}).status_code == 409
    assert admin.post("/api/users", json={**new, "practitioner_pk": 10**9}).status_code == 422
    assert admin.patch(f"/api/users/{first.user_pk}", json=link).status_code == 200, "the same again"
    assert (
        admin.patch(
            f"/api/users/{second.user_pk}", json={"practitioner_pk": other["practitioner_pk"]}
        ).status_code
        == 200
    )
    # Who left keeps the link in a closed account; a new account may have it, and then the old one is not opened again.
    assert admin.patch(f"/api/users/{first.user_pk}", json={"disabled": True}).status_code == 200
    assert admin.patch(f"/api/users/{second.user_pk}", json=link).status_code == 200
    assert admin.patch(f"/api/users/{first.user_pk}", json={"disabled": False}).status_code == 409
    unlinked = {"disabled": False, "practitioner_pk": None}
    assert admin.patch(f"/api/users/{first.user_pk}", json=unlinked).status_code == 200


def test_the_database_itself_refuses_a_second_account(api: Api, work: Work) -> None:
    one = made(api.as_role("admin"))
    users = [api.as_role("referrer").user_pk for _ in range(2)]
    with pytest.raises(IntegrityError, match="uq_user_account_practitioner_pk"), work.session.begin_nested():
        work.session.execute(
            update(User).where(User.user_pk.in_(users)).values(practitioner_pk=one["practitioner_pk"])
        )


def test_the_list_is_as_long_as_asked_for(api: Api) -> None:
    client = api.as_role("front_desk")
    for number in range(3):
        made(client, person_name=f"Smith{number}^Ann")
    assert len(client.get("/api/practitioners?limit=2").json()) == 2
    assert client.get("/api/practitioners?limit=501").status_code == 422
