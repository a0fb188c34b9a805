"""The archive's fixtures, behind a real socket."""

from archive_fixtures import archive, as_dataset, as_file, decoder, make_dicom, store, web
from dicomweb_fixtures import port, reader, sender

__all__ = [
    "archive", "as_dataset", "as_file", "decoder", "make_dicom", "port", "reader", "sender", "store", "web",
]  # fmt: skip
