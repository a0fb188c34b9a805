"""The node in front of the real archive, and an Orthanc beside it."""

import steady_pynetdicom
from archive_fixtures import archive, decoder, make_dicom, store, web
from node_fixtures import add_peer, real_house, real_node

__all__ = [
    "add_peer",
    "archive",
    "decoder",
    "make_dicom",
    "real_house",
    "real_node",
    "steady_pynetdicom",
    "store",
    "web",
]
