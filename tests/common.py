"""What tests of all kinds share by import; fixtures are in conftest.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi.testclient import TestClient

from wetread.security.model import User
from wetread.security.service import Actor, AuditEventID, Offices, Role

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


class Api(TestClient):
    """A client of the whole HTTP application; `as_role` gives one with that role's rights."""

    offices: Offices

    def as_role(self, *roles: str, **fields: Any) -> Api:
        """A client of a fresh account with these roles, by bearer token."""
        from wetread.security.service import create_token, create_user

        with self.offices.work(Actor.system("test")) as work:
            self.count = getattr(self, "count", 0) + 1
            user = create_user(
                work,
                username=f"{roles[0]}.{self.count}.{id(self)}",
                display_name=roles[0],
                roles=[Role(role) for role in roles],
                password="correct horse battery staple",
                mfa_required=False,
                **fields,
            )
            _, token = create_token(work, user.user_pk, "test", [], days=None)
        other = Api(self.app, raise_server_exceptions=True)
        other.portal, other.offices = self.portal, self.offices
        other.user_pk = user.user_pk
        other.username = user.username
        other.headers["Authorization"] = f"Bearer {token}"
        return other

    def leave(self) -> None:
        """Closes the account, as when somebody leaves the house."""
        with self.offices.work(Actor.system("test")) as work:
            work.session.get_one(User, self.user_pk).disabled = True
            work.audit(AuditEventID.APPLICATION_ACTIVITY, "U", object_type="user")


@cache
def description() -> dict[str, Any]:
    """What the API says of itself, for reading: to put it together takes seconds of work."""
    from wetread.app.web import describe

    found: dict[str, Any] = json.loads(describe())
    return found
