"""Every endpoint has a door: it refuses strangers, and it refuses people whose role does not include it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from common import Api
from wetread.security.door import Door
from wetread.security.service import ROLE_PERMISSIONS, Permission, Role

# These prove who one is, or tell nothing of anybody. The list should only ever shrink.
PUBLIC = {
    ("POST", "/api/session"),
    ("POST", "/api/invitation"),
    ("POST", "/api/together/guest"),
    ("POST", "/api/together/guest/link"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/{path:path}"),
}


def doors(route: APIRoute) -> list[Door]:
    """The doors among a route's dependencies, at any depth."""
    found: list[Door] = []
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        if isinstance(dependant.call, Door):
            found.append(dependant.call)
        waiting.extend(dependant.dependencies)
    return found


def routes_of(api: Api) -> list[tuple[str, APIRoute]]:
    """(method, route) of the whole application."""
    found: list[tuple[str, APIRoute]] = []

    def walk(routes: Iterator[object] | list[object]) -> None:
        for route in routes:
            if isinstance(route, APIRoute):
                found.extend((method, route) for method in sorted(route.methods - {"HEAD"}))
            elif hasattr(route, "original_router"):
                walk(route.original_router.routes)

    walk(api.app.routes)
    return found


def path_of(route: APIRoute) -> str:
    """The route's path with a number or word in every place."""
    return re.sub(r"{\w+(:\w+)?}", "1", route.path)


def test_the_application_has_all_its_routes(api: Api) -> None:
    paths = {route.path for _, route in routes_of(api)}
    for prefix in ("/api/session", "/api/patients", "/api/audit", "/api/jobs"):
        assert any(path.startswith(prefix) for path in paths), f"{prefix} is not mounted"


def test_every_endpoint_is_behind_a_door(api: Api) -> None:
    bare = [
        f"{method} {route.path}"
        for method, route in routes_of(api)
        if (method, route.path) not in PUBLIC and not doors(route)
    ]
    assert bare == []


def test_every_endpoint_refuses_strangers(api: Api) -> None:
    open_doors = []
    for method, route in routes_of(api):
        if (method, route.path) in PUBLIC:
            continue
        response = api.request(method, path_of(route), headers={"X-Wetread": "1"})
        if response.status_code != 401:
            open_doors.append(f"{method} {route.path}: {response.status_code}")
    assert open_doors == []


def test_every_endpoint_refuses_roles_without_its_permission(api: Api) -> None:
    clients = {role: api.as_role(role.value) for role in Role}
    open_doors = []
    tried = 0
    for method, route in routes_of(api):
        for door in doors(route):
            for role, client in clients.items():
                if set(door.permissions) & ROLE_PERMISSIONS[role]:
                    continue
                tried += 1
                response = client.request(method, path_of(route))
                if response.status_code != 403:
                    open_doors.append(f"{method} {route.path} as {role}: {response.status_code}")
    assert open_doors == []
    assert tried > 20


def test_every_permission_is_held_by_some_role() -> None:
    held = frozenset().union(*ROLE_PERMISSIONS.values())
    assert set(Permission) - held == set()


def test_who_may_write_may_also_read() -> None:
    known = set(Permission)
    blind = [
        f"{role}: {permission}"
        for role, held in ROLE_PERMISSIONS.items()
        for permission in held
        if permission.endswith(".write")
        and (reading := permission.removesuffix(".write") + ".read") in known
        and reading not in held
    ]
    assert blind == []


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer wtr_nonsense"])
def test_malformed_credentials_are_strangers(api: Api, header: str) -> None:
    response = api.get("/api/session", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


def test_a_cookie_alone_cannot_write_from_a_foreign_page(api: Api) -> None:
    from wetread.security.service import Actor, create_user

    with api.offices.work(Actor.system("test")) as work:
        create_user(
            work,
            username="ada",
            display_name="Ada",
            roles=[Role.ADMIN],
            password="correct horse battery staple",
            mfa_required=False,
        )
    signed_in = api.post("/api/session", json={"username": "ada", "password": "correct horse battery staple"})
    assert signed_in.status_code == 200
    cookie = signed_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert api.get("/api/session").status_code == 200
    assert api.delete("/api/session").status_code == 403
    assert api.delete("/api/session", headers={"X-Wetread": "1"}).status_code == 204
    api.cookies.clear()
    assert api.get("/api/session").status_code == 401


def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/api/session", "/healthz", "/api/nothing", "/some/page"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-request-id"], path
