"""Telling another system that a study has arrived where a rule sent it: an HTTP POST that proves who sent it.

The body names the rule, the destination and the study by its UID, and no patient. `Wetread-Signature` is
`t=<seconds>,v1=<hex>`: HMAC-SHA-256 under the shared secret over `<seconds>.<body>`; the receiver refuses old times, so
that what was overheard cannot be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

from wetread.kit.errors import FieldError
from wetread.routing.model import Forwarding, RoutingRule
from wetread.security.service import Work


class NotTold(Exception):
    """The other system was not reached, or did not answer with success. Words for a person."""


Post = Callable[[str, bytes, dict[str, str]], None]
"""`post(url, body, headers)`; raises NotTold. Given by the composition root."""

SECRET_CHARACTERS_MIN = 16
_posts: list[Post] = []


def use_post(post: Post) -> None:
    """Names how this process posts (called once by the composition root)."""
    _posts[:] = [post]


def faults_of(url: str | None, secret: str | None, *, has_secret: bool) -> list[FieldError]:
    """What is wrong with where and how to tell."""
    if not url:
        return []
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and not parts.username and not parts.fragment
    except ValueError:
        return [FieldError("tell_url", "is no address")]
    faults: list[FieldError] = []
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not good or len(url) > 400 or any(not 33 <= ord(one) < 127 for one in url):
        faults.append(FieldError("tell_url", "is an address without user and fragment"))
    elif parts.scheme != "https" and not (parts.scheme == "http" and local):
        faults.append(FieldError("tell_url", "begins with https://"))
    if secret is None and not has_secret:
        faults.append(FieldError("tell_secret", "is needed to sign what is told"))
    elif secret is not None and not SECRET_CHARACTERS_MIN <= len(secret) <= 200:
        faults.append(FieldError("tell_secret", f"has {SECRET_CHARACTERS_MIN} to 200 characters"))
    return faults


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of `Wetread-Signature`; `at` in seconds since 1970."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def tell(
    work: Work,
    rule: RoutingRule,
    forwarding: Forwarding,
    ae_title: str,
    study_instance_uid: str,
    secret: str,
) -> None:
    """Posts that a study has arrived at a destination. Raises NotTold."""
    told = {
        "event": "study.sent",
        "rule": rule.name,
        "destination": ae_title,
        # What the destination knows it by is another UID, where names were taken off: then none is told.
        "study_instance_uid": None if forwarding.deidentify is not None else study_instance_uid,
        "instances": forwarding.sent_count,
        "forwarding": forwarding.forwarding_pk,
    }
    post(work, rule, secret, told)


def post(work: Work, rule: RoutingRule, secret: str, told: dict[str, Any]) -> None:
    """Posts to the system that a rule names, signed. Raises NotTold."""
    at = int(work.now().timestamp())
    body = orjson.dumps(told)
    headers = {"Content-Type": "application/json", "Wetread-Signature": signature(secret, at, body)}
    assert rule.tell_url is not None
    _posts[0](rule.tell_url, body, headers)
