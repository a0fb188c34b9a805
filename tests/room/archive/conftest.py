"""The archive's fixtures."""

from archive_fixtures import archive, as_dataset, as_file, decoder, make_dicom, store, web
from case_fixtures import committed_ward

__all__ = ["archive", "as_dataset", "as_file", "committed_ward", "decoder", "make_dicom", "store", "web"]
