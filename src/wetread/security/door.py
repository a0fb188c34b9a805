"""HTTP doors: every endpoint declares the permission it needs, and gets a transaction bound to its actor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request

from wetread.kit.errors import Denied, Unauthenticated
from wetread.security.service import Actor, Offices, Permission, Security, Work, actor_of_guest

COOKIE = "wetread_session"
SECURE_COOKIE = "__Host-wetread_session"
GUEST_COOKIE = "wetread_guest"
SECURE_GUEST_COOKIE = "__Host-wetread_guest"
CSRF_HEADER = "x-wetread"  # a foreign page cannot set it without asking (CORS), which we never grant
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Gate:
    """An authenticated actor without an open transaction, for endpoints that stream."""

    actor: Actor
    offices: Offices


def security_of(request: Request) -> Security:
    """The process's security services."""
    security = request.app.state.security
    assert isinstance(security, Security)
    return security


def authenticate(request: Request) -> Actor:
    """The actor of the request's bearer token, session cookie, or cookie of a guest. Raises Unauthenticated."""
    security = security_of(request)
    address = request.client.host if request.client else None
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Only bearer tokens are taken.")
        return security.identity.actor_of_token(token.strip(), address)
    secret = request.cookies.get(SECURE_COOKIE if security.secure_cookies else COOKIE)
    guest = request.cookies.get(SECURE_GUEST_COOKIE if security.secure_cookies else GUEST_COOKIE)
    if not secret and not guest:
        raise Unauthenticated("You are not signed in.")
    if request.method not in _SAFE_METHODS and CSRF_HEADER not in request.headers:
        raise Denied("The request does not come from this system's own pages.")
    if secret:
        try:
            return security.identity.actor_of_session(secret, address)
        except Unauthenticated:
            # Somebody signed in here once; now a guest sits here.
            if not guest:
                raise
    assert guest
    return actor_of_guest(security.offices, guest, address)


class Door:
    """The dependency behind `door`; keeps its permissions readable for the guard tests."""

    def __init__(self, permissions: tuple[Permission, ...], *, stream: bool) -> None:
        self.permissions = permissions
        self.stream = stream

    def admit(self, request: Request) -> Actor:
        """The actor, where it holds one of the permissions. Raises Unauthenticated, Denied."""
        actor = authenticate(request)
        if not any(actor.may(permission) for permission in self.permissions):
            raise Denied("Your role does not include this.")
        return actor


class _WorkDoor(Door):
    def __call__(self, request: Request) -> Iterator[Work]:
        actor = self.admit(request)
        with security_of(request).offices.work(actor) as work:
            yield work


class _StreamDoor(Door):
    def __call__(self, request: Request) -> Gate:
        return Gate(self.admit(request), security_of(request).offices)


def door(*permissions: Permission) -> Any:
    """For `work: Work = door(Permission.X)`: a transaction that commits before the response is sent."""
    return Depends(_WorkDoor(permissions, stream=False), scope="function")


def stream_door(*permissions: Permission) -> Any:
    """For `gate: Gate = stream_door(Permission.X)`: the actor alone; the endpoint opens its own transactions."""
    return Depends(_StreamDoor(permissions, stream=True))
