"""Hanging protocols are kept for a person, a site or everybody; each changes only what is theirs to change."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from common import NOW, Api
from wetread.hanging.model import HangingProtocol
from wetread.hanging.rules import Stage, priors_needed
from wetread.kit import limits
from wetread.security.model import AuditRecord, Site
from wetread.security.service import Actor, AuditEventID

ADDRESS = "/api/hanging-protocols"
STAGE: dict[str, Any] = {
    "display_set_label": "Compare",
    "rows": 1,
    "columns": 2,
    "image_boxes": [
        {"selector": {"modality": "CT", "plane": "TRANSVERSE", "series_description": "  thin   axial "}},
        {
            "abstract_prior_value": 1,
            "selector": {"modality": "CT", "plane": "TRANSVERSE"},
            "window": {"window_center": 40, "window_width": 80},
            "image_rotation": 90,
        },
    ],
    "together": {"scroll": True, "view": True},
}
BODY: dict[str, Any] = {
    "name": "Head with prior",
    "hanging_protocol_definition": {"modality": "ct", "body_part_examined": "HEAD"},
    "display_sets": [STAGE],
}


@pytest.fixture
def sites(api: Api) -> dict[str, int]:
    with api.offices.work(Actor.system("test")) as work:
        made = {code: Site(code=code, institution_name=code, time_zone="UTC") for code in ("EAST", "WEST")}
        work.session.add_all(made.values())
        work.session.flush()
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "C", object_type="site")
        return {code: site.site_pk for code, site in made.items()}


def changed(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BODY), **fields}


def names(client: Api) -> list[str]:
    return [one["name"] for one in client.get(ADDRESS).json()]


def test_a_protocol_is_kept_as_it_was_made_in_the_standards_words(api: Api) -> None:
    reader = api.as_role("radiologist")
    kept = reader.post(ADDRESS, json=BODY)
    assert kept.status_code == 201
    [listed] = reader.get(ADDRESS).json()
    assert listed == kept.json()
    assert listed["hanging_protocol_definition"]["modality"] == "CT"
    first, second = listed["display_sets"][0]["image_boxes"]
    assert first["selector"]["series_description"] == "thin axial"
    assert first["abstract_prior_value"] is None
    assert second["window"] == {"window_center": 40.0, "window_width": 80.0}
    assert second["image_rotation"] == 90
    assert listed["display_sets"][0]["together"] == {
        "scroll": True,
        "view": True,
        "window": True,
        "lines": True,
    }
    assert (listed["hanging_protocol_level"], listed["site_pk"]) == ("SINGLE_USER", None)
    assert (listed["version"], listed["may_change"], listed["made_by"]) == (1, True, "radiologist")
    assert priors_needed([Stage.model_validate(one) for one in listed["display_sets"]]) == 1

    body = changed(name="Head", version=1, display_sets=[STAGE, {**STAGE, "display_set_label": "Again"}])
    assert reader.put(f"{ADDRESS}/{listed['hanging_protocol_pk']}", json=body).json()["version"] == 2
    assert [one["display_set_label"] for one in reader.get(ADDRESS).json()[0]["display_sets"]] == [
        "Compare",
        "Again",
    ]
    stale = reader.put(f"{ADDRESS}/{listed['hanging_protocol_pk']}", json=body)
    assert stale.status_code == 409
    assert "meanwhile" in stale.json()["detail"]
    assert reader.delete(f"{ADDRESS}/{listed['hanging_protocol_pk']}").status_code == 204
    assert names(reader) == []

    with api.offices.work(Actor.system("test")) as work:
        rows = work.session.execute(
            select(AuditRecord.event_action_code, AuditRecord.detail["name"].astext)
            .where(AuditRecord.object_type == "hanging_protocol")
            .order_by(AuditRecord.audit_record_pk)
        ).all()
    assert [tuple(row) for row in rows] == [("C", "Head with prior"), ("U", "Head"), ("D", "Head")]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"hanging_protocol_definition": {}}, "hanging_protocol_definition", "every study"),
        ({"hanging_protocol_definition": {"modality": "C/T"}}, "hanging_protocol_definition.modality", "CS"),
        ({"display_sets": []}, "display_sets", "at least 1"),
        (
            {"display_sets": [{**STAGE, "columns": 1}]},
            "display_sets.0",
            "1 rows of 1 need 1 image_boxes, not 2",
        ),
        ({"display_sets": [{**STAGE, "columns": 4}]}, "display_sets.0.columns", "less than or equal to 3"),
        ({"display_sets": [{**STAGE, "image_boxes": [None, None]}]}, "display_sets.0", "shows nothing"),
        (
            {"display_sets": [{**STAGE, "reformatting": {"image_box_number": 3}}]},
            "display_sets.0",
            "names a box that has no rule",
        ),
        (
            {
                "display_sets": [
                    {**STAGE, "reformatting": {"image_box_number": 1, "reformatting_operation_type": "SLAB"}}
                ]
            },
            "display_sets.0.reformatting",
            "thickness",
        ),
        (
            {
                "display_sets": [
                    {
                        **STAGE,
                        "columns": 1,
                        "image_boxes": [{"selector": {"slice_thickness_min": 3, "slice_thickness_max": 1}}],
                    }
                ]
            },
            "display_sets.0.image_boxes.0.selector",
            "no series can be so",
        ),
        ({"name": "   "}, "name", "1 to 64"),
        ({"site_pk": 1}, "site_pk", "none of a protocol for one person"),
        ({"hanging_protocol_level": "MANUFACTURER"}, "hanging_protocol_level", "SITE"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    api: Api, change: dict[str, Any], field: str, words: str
) -> None:
    reader = api.as_role("radiologist")
    refused = reader.post(ADDRESS, json=changed(**change))
    assert refused.status_code == 422
    found = [one for one in refused.json()["errors"] if one["field"] == field]
    assert found, refused.json()["errors"]
    assert words in found[0]["reason"]
    assert names(reader) == []


def test_own_ones_are_seen_by_nobody_else(api: Api) -> None:
    reader, other, administrator = (api.as_role(role) for role in ("radiologist", "radiologist", "admin"))
    key = reader.post(ADDRESS, json=BODY).json()["hanging_protocol_pk"]
    for stranger in (other, administrator):
        assert names(stranger) == []
        assert stranger.put(f"{ADDRESS}/{key}", json=changed(version=1)).status_code == 404
        assert stranger.delete(f"{ADDRESS}/{key}").status_code == 404
    # A name is taken for its owner alone.
    assert reader.post(ADDRESS, json=changed(name="HEAD WITH PRIOR")).status_code == 409
    assert other.post(ADDRESS, json=BODY).status_code == 201


def test_a_site_shares_and_everybody_is_the_administrators(api: Api, sites: dict[str, int]) -> None:
    east = api.as_role("radiologist", site_pks=[sites["EAST"]])
    west = api.as_role("radiologist", site_pks=[sites["WEST"]])
    technologist = api.as_role("technologist", site_pks=[sites["EAST"]])
    administrator = api.as_role("admin")
    of_east = changed(name="East head", hanging_protocol_level="SITE", site_pk=sites["EAST"])
    everybodys = changed(name="Head", hanging_protocol_level="SITE")

    key = east.post(ADDRESS, json=of_east).json()["hanging_protocol_pk"]
    assert west.post(ADDRESS, json=of_east).status_code == 422
    assert technologist.post(ADDRESS, json=of_east).status_code == 403
    assert east.post(ADDRESS, json=everybodys).status_code == 403
    assert administrator.post(ADDRESS, json=everybodys).status_code == 201
    east.post(ADDRESS, json=changed(name="Mine"))

    assert names(east) == ["Mine", "East head", "Head"]
    assert names(west) == ["Head"]
    assert names(technologist) == names(administrator) == ["East head", "Head"]
    assert [one["may_change"] for one in east.get(ADDRESS).json()] == [True, True, False]
    assert [one["may_change"] for one in technologist.get(ADDRESS).json()] == [False, False]
    assert [one["site_code"] for one in technologist.get(ADDRESS).json()] == ["EAST", None]

    assert west.delete(f"{ADDRESS}/{key}").status_code == 404
    assert technologist.delete(f"{ADDRESS}/{key}").status_code == 403
    # To everybody, by an administrator alone; from then on the site cannot change it.
    promoted = changed(name="East head", hanging_protocol_level="SITE", version=1)
    assert east.put(f"{ADDRESS}/{key}", json=promoted).status_code == 403
    assert administrator.put(f"{ADDRESS}/{key}", json=promoted).json()["site_pk"] is None
    assert names(west) == ["East head", "Head"]
    assert east.put(f"{ADDRESS}/{key}", json={**promoted, "version": 2}).status_code == 403


def test_who_sees_no_studies_has_no_protocols(api: Api) -> None:
    for role in ("front_desk", "biller", "manager"):
        client = api.as_role(role)
        assert client.get(ADDRESS).status_code == 403
        assert client.post(ADDRESS, json=BODY).status_code == 403


def test_there_is_an_end_to_how_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANGING_PROTOCOLS_MAX", 2)
    reader = api.as_role("radiologist")
    for name in ("one", "two"):
        assert reader.post(ADDRESS, json=changed(name=name)).status_code == 201
    refused = reader.post(ADDRESS, json=changed(name="three"))
    assert refused.status_code == 409
    assert "2 protocols" in refused.json()["detail"]
    kept = reader.get(ADDRESS).json()[0]
    renamed = reader.put(f"{ADDRESS}/{kept['hanging_protocol_pk']}", json=changed(name="four", version=1))
    assert renamed.status_code == 200


def test_the_database_lets_no_protocol_be_without_an_owner(api: Api) -> None:
    reader = api.as_role("radiologist")
    with (
        pytest.raises(IntegrityError, match="ck_hanging_protocol_owner"),
        api.offices.work(Actor.system("test")) as work,
    ):
        work.session.add(
            HangingProtocol(
                hanging_protocol_level="SINGLE_USER",
                name="nobody's",
                hanging_protocol_definition={"modality": "CT"},
                display_sets=[STAGE],
                created_by=reader.user_pk,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        work.session.flush()


def test_an_administrator_orders_copies_and_switches_what_is_shared(api: Api, sites: dict[str, int]) -> None:
    reader, admin = api.as_role("radiologist"), api.as_role("admin")
    own = reader.post(ADDRESS, json=changed(name="Mine")).json()
    everybody = {"hanging_protocol_level": "SITE", "site_pk": None}
    first, second = (
        admin.post(ADDRESS, json=changed(name=name, **everybody)).json()["hanging_protocol_pk"]
        for name in ("First", "Second")
    )
    # Who administers sees also what is a user's own, and copies it to a site; the user keeps theirs.
    everything = {one["name"]: one for one in admin.get(f"{ADDRESS}/all").json()}
    assert set(everything) == {"First", "Second", "Mine"}
    assert everything["Mine"]["made_by"] == "radiologist"
    path = f"{ADDRESS}/{own['hanging_protocol_pk']}"
    copied = admin.post(f"{path}/copy", json={"name": "Of the site", "site_pk": sites["EAST"]})
    assert copied.status_code == 201
    assert (copied.json()["site_code"], copied.json()["display_sets"]) == ("EAST", own["display_sets"])
    assert admin.post(f"{path}/copy", json={"name": "first", "site_pk": None}).status_code == 409
    assert admin.post(f"{path}/copy", json={"name": "Nowhere", "site_pk": 999_999}).status_code == 422
    assert "Mine" in names(reader)
    # Order, of all or of none.
    order = {"site_pk": None, "hanging_protocol_pks": [second, first]}
    assert admin.put(f"{ADDRESS}/order", json=order).status_code == 204
    places = {one["name"]: one["position"] for one in admin.get(f"{ADDRESS}/all").json()}
    assert places["Second"] < places["First"]
    for wrong in ([second], [second, second], [second, first, own["hanging_protocol_pk"]]):
        body = {**order, "hanging_protocol_pks": wrong}
        assert admin.put(f"{ADDRESS}/order", json=body).status_code == 422
    # Off, no reader is offered it, and it is still there.
    assert admin.put(f"{ADDRESS}/{first}/enabled", json={"is_enabled": False}).json()["is_enabled"] is False
    assert "First" not in names(reader)
    assert "First" in [one["name"] for one in admin.get(f"{ADDRESS}/all").json()]
    assert admin.put(f"{ADDRESS}/{first}/enabled", json={"is_enabled": True}).status_code == 200
    assert "First" in names(reader)
    assert admin.put(f"{path}/enabled", json={"is_enabled": False}).status_code == 422
    # Nobody else.
    assert reader.get(f"{ADDRESS}/all").status_code == 403
    assert reader.put(f"{ADDRESS}/order", json=order).status_code == 403
    assert reader.put(f"{ADDRESS}/{first}/enabled", json={"is_enabled": False}).status_code == 403
    assert reader.post(f"{ADDRESS}/{first}/copy", json={"name": "X", "site_pk": None}).status_code == 403
    with api.offices.database.transaction() as session:
        told = session.scalars(
            select(AuditRecord.object_type).where(AuditRecord.object_type.like("hanging_protocol%"))
        ).all()
    assert "hanging_protocol_order" in told
