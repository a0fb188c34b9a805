"""A browser on an archive behind a real socket."""

from archive_fixtures import archive, as_dataset, as_file, decoder, make_dicom, store, web
from dicomweb_fixtures import port, reader, sender
from viewer_fixtures import open_case, open_study

__all__ = [
    "archive", "as_dataset", "as_file", "decoder", "make_dicom", "open_case", "open_study", "port", "reader", "sender",
    "store", "web",
]  # fmt: skip
