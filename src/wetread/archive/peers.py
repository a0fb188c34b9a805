"""Application entities: which are known, how they prove themselves, and which associations are open now."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import argon2
import orjson
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert

from wetread.archive.model import DicomNode, RemoteAE
from wetread.kit import limits
from wetread.kit.errors import FieldError, NotFound
from wetread.security.service import AuditEventID, Offices, Permission, Work

_HASHER = argon2.PasswordHasher()
_RESOLVED_S = 60.0
_FORGOTTEN = timedelta(hours=1)
_resolved: dict[str, tuple[float, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """How an association was asked for. `certificate_names` None: not by TLS. `user_name` None: no user identity."""

    network_address: str
    certificate_names: tuple[str, ...] | None
    user_name: str | None = None
    passcode: str | None = None


def fault_of_call(peer: RemoteAE, call: Call) -> str | None:
    """Why the caller is not taken for `peer`, in few words for the audit trail; None where all is as it must be."""
    if not _calls_from(peer, call.network_address):
        return "address"
    if peer.is_encrypted and call.certificate_names is None:
        return "not encrypted"
    if peer.certificate_name:
        shown = {name.casefold() for name in call.certificate_names or ()}
        if peer.certificate_name.casefold() not in shown:
            return "certificate"
    return None


def fault_of_identity(peer: RemoteAE, call: Call) -> str | None:
    """Why the user identity (PS3.7 D.3.3.7) is not that of `peer`; None where it is, or none is wanted."""
    if not peer.user_identity:
        return None
    if call.user_name != peer.user_identity:
        return "user identity"
    if peer.passcode_hash:
        try:
            _HASHER.verify(peer.passcode_hash, call.passcode or "")
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return "passcode"
    return None


def hash_passcode(passcode: str) -> str:
    """A passcode as it is kept."""
    return _HASHER.hash(passcode)


def faults_of_networks(networks: Iterable[str]) -> list[FieldError]:
    """What is no address or network."""
    faults: list[FieldError] = []
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            faults.append(FieldError("calls_from", f"{network[:64]} is neither an address nor a network"))
    return faults


def _calls_from(peer: RemoteAE, network_address: str) -> bool:
    try:
        address = ipaddress.ip_address(network_address)
    except ValueError:
        return False
    if peer.calls_from:
        return any(address in ipaddress.ip_network(network, strict=False) for network in peer.calls_from)
    known = _addresses_of(peer.host)
    return str(address) in known or (address.is_loopback and any(_is_loopback(one) for one in known))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _addresses_of(host: str) -> frozenset[str]:
    """The addresses of a host, remembered for a minute: a name server that is slow must not slow every association."""
    try:
        return frozenset({str(ipaddress.ip_address(host))})
    except ValueError:
        pass
    known = _resolved.get(host)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    try:
        found = frozenset(str(entry[4][0]) for entry in socket.getaddrinfo(host, None))
    except OSError:
        found = frozenset()
    _resolved[host] = (time.monotonic() + _RESOLVED_S, found)
    return found


# Associations that are open now: nodes tell, the web shows.


def publish_node(offices: Offices, node: str, associations: Sequence[dict[str, Any]]) -> None:
    """Tells that a node runs and what it serves; what other nodes told long ago is forgotten."""
    now = offices.clock.now()
    row = {"seen_at": now, "associations": list(associations)}
    with offices.database.transaction() as session:
        session.execute(
            insert(DicomNode)
            .values(node=node, **row)
            .on_conflict_do_update(index_elements=[DicomNode.node], set_=row)
        )
        session.execute(delete(DicomNode).where(DicomNode.seen_at < now - _FORGOTTEN))


def withdraw_node(offices: Offices, node: str) -> None:
    """A node ends."""
    with offices.database.transaction() as session:
        session.execute(delete(DicomNode).where(DicomNode.node == node))


ABORT_CHANNEL = "wetread_abort"
"""Where nodes hear which association is to end: `{"node", "number"}` as JSON, at the commit of who asked."""


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that was heard of lately."""

    node: str
    seen_at: datetime
    associations: list[dict[str, Any]]


def running_nodes(work: Work) -> list[RunningNode]:
    """Nodes heard of within the last seconds, with their open associations."""
    work.require(Permission.CONFIG_READ)
    since = work.now() - timedelta(seconds=limits.DICOM_NODE_SEEN_S)
    rows = work.session.scalars(select(DicomNode).where(DicomNode.seen_at >= since).order_by(DicomNode.node))
    found = [RunningNode(row.node, row.seen_at, row.associations) for row in rows]
    work.audit(
        AuditEventID.QUERY,
        "E",
        object_type="association",
        detail={"matches": str(sum(len(one.associations) for one in found))},
    )
    return found


def request_abort(work: Work, node: str, number: int) -> None:
    """Has a node abort one of its associations. Raises NotFound where it serves none of that number."""
    work.require(Permission.CONFIG_WRITE)
    found = next(
        (
            one
            for running in running_nodes(work)
            if running.node == node
            for one in running.associations
            if one["number"] == number
        ),
        None,
    )
    if found is None:
        raise NotFound("There is no such association any more.")
    work.session.execute(
        text("SELECT pg_notify(:channel, :what)"),
        {"channel": ABORT_CHANNEL, "what": orjson.dumps({"node": node, "number": number}).decode()},
    )
    work.audit(
        AuditEventID.APPLICATION_ACTIVITY,
        "E",
        object_type="association",
        object_id=str(found.get("calling_ae_title", "")),
        detail={"act": "abort", "from": str(found.get("network_address", ""))[:64]},
    )
