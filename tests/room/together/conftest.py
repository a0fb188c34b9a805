"""Live sessions on an archive of the test's own."""

from archive_fixtures import archive, as_dataset, as_file, decoder, make_dicom, store, web

__all__ = ["archive", "as_dataset", "as_file", "decoder", "make_dicom", "store", "web"]
