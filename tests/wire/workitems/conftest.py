"""The node in front of the real house, and DICOMweb over a real socket."""

import steady_pynetdicom
from archive_fixtures import archive, decoder, make_dicom, store, web
from dicomweb_fixtures import port, reader, sender
from node_fixtures import add_peer, real_house, real_node

__all__ = [
    "add_peer",
    "archive",
    "decoder",
    "make_dicom",
    "port",
    "reader",
    "real_house",
    "real_node",
    "sender",
    "steady_pynetdicom",
    "store",
    "web",
]  # fmt: skip
