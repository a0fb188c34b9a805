"""Capabilities: what is told is what is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from dicomweb_fixtures import Client

WADL = "{http://wadl.dev.java.net/2009/02}"


def test_every_resource_is_told_of_and_answers(reader: Client) -> None:
    answer = reader.ask("OPTIONS", "/")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/vnd.sun.wadl+xml")
    root = ET.fromstring(answer.body)
    told = {one.get("path"): one for one in root.iter(WADL + "resource")}
    assert {"studies", "studies/{study}/series/{series}/metadata", "wado"} <= told.keys()
    store = told["studies"].find(f"{WADL}method[@name='POST']")
    assert store is not None
    taken = {one.get("mediaType") for one in store.iter(WADL + "representation")}
    assert 'multipart/related; type="application/dicom"' in taken
    listed = reader.ask("OPTIONS", "/", Accept="application/json").json()["resources"]
    assert {path.lstrip("/") for path in listed} == told.keys()
    for path, methods in listed.items():
        filled = path.replace("{study}", "1.2").replace("{series}", "1.3").replace("{instance}", "1.4")
        filled = filled.replace("{frames}", "1").replace("{frame}", "1").replace("{reference}", "0-1")
        allowed = reader.ask("OPTIONS", filled).headers["allow"].split(", ")
        assert {one["method"] for one in methods} <= set(allowed), path
        if "GET" in allowed:
            # The resource is there, whether or not this study is: an unknown path would be plain 404 text of no resource.
            found = reader.get(filled)
            assert found.status in (200, 204, 400, 404), path
            if found.status == 404:
                assert found.json()["detail"] != "Not found", path
    assert reader.ask("OPTIONS", "/", Accept="text/csv").status == 406


def test_what_is_not_done_is_405_and_says_what_is(reader: Client) -> None:
    for path in ("/studies/1.2", "/studies/1.2/series/1.3", "/studies/1.2/series/1.3/instances/1.4"):
        answer = reader.ask("PUT", path)
        assert (answer.status, "GET" in answer.headers["allow"]) == (405, True)
