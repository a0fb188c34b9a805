"""A node in front of the real archive, scheduling, register and Workitems, on a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wetread.app.build import House
from wetread.app.node import HouseServices
from wetread.archive.model import RemoteAE
from wetread.archive.rules import PEER_RIGHTS
from wetread.archive.service import Archive, save_remote_ae
from wetread.dimse.server import Node
from wetread.kit.config import Settings
from wetread.security.service import Actor, FileMasterKey, Identity

AddPeer = Callable[..., RemoteAE]


@pytest.fixture
def real_house(archive: Archive, tmp_path: Path) -> House:
    offices = archive.offices
    key = FileMasterKey(b"k" * 32)
    return House(Settings(data=tmp_path), offices.database, offices, key, Identity(offices, key))


@pytest.fixture
def add_peer(archive: Archive) -> AddPeer:
    """Makes an application entity known on this machine, with every right unless told."""

    def add(ae_title: str, port: int = 11199, **fields: Any) -> RemoteAE:
        values = {"host": "127.0.0.1", "description": None, "rights": PEER_RIGHTS, **fields}
        with archive.offices.work(Actor.system("test")) as work:
            return save_remote_ae(work, ae_title=ae_title, port=port, **values)

    return add


@pytest.fixture
def real_node(real_house: House, archive: Archive) -> Iterator[Node]:
    node = Node(HouseServices(real_house, archive), "127.0.0.1", 0)
    node.start()
    yield node
    node.close(grace_s=1)
