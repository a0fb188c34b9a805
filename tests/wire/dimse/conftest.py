"""A node in front of the real archive, scheduling and register, on a real database."""

import steady_pynetdicom
from archive_fixtures import archive, decoder, make_dicom, store
from node_fixtures import AddPeer, add_peer, real_house, real_node

__all__ = [
    "AddPeer",
    "add_peer",
    "archive",
    "decoder",
    "make_dicom",
    "real_house",
    "real_node",
    "steady_pynetdicom",
    "store",
]
