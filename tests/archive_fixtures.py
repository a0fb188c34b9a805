"""An archive on a real database and folder, and small DICOM objects to feed it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import text

from common import Api
from wetread.archive.service import Archive, Decoder, LocalObjects, StoreResult, use_archive
from wetread.kit.db import Database
from wetread.security.service import Actor, FileMasterKey, Identity, Offices, Security, use_identity

MakeDicom = Callable[..., pydicom.Dataset]
Store = Callable[..., list[StoreResult]]


PACKAGE_FILES = Path(pydicom.data.__file__).parent / "test_files"


def package_file(name: str) -> Path:
    """A file of pydicom's own package. Its `get_testdata_file` could ask the network; this cannot."""
    return PACKAGE_FILES / name


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """Decoding processes that all tests share."""
    made = Decoder()
    yield made
    made.close()


@pytest.fixture
def archive(clean_database: Database, tmp_path: Path, decoder: Decoder) -> Iterator[Archive]:
    """A committing archive; its objects lie in a folder of this test."""
    made = Archive(
        clean_database,
        Offices(clean_database),
        LocalObjects(tmp_path / "objects", reserve_bytes=0),
        FileMasterKey(b"m" * 32),
        decoder=decoder,
    )
    use_archive(made)
    yield made
    made.close()


@pytest.fixture
def make_dicom() -> MakeDicom:
    """A CT slice of 128 × 128 with fresh UIDs; keywords are set as given, None removes."""

    def make(**attributes: Any) -> pydicom.Dataset:
        ds = pydicom.dcmread(package_file("CT_small.dcm"))
        ds.remove_private_tags()
        del ds[0xFFFC, 0xFFFC]
        ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Doe^Jane", "P1", "HOSPITAL"
        ds.AccessionNumber = "A1"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (generate_uid() for _ in range(3))
        for keyword, value in attributes.items():
            if value is None:
                delattr(ds, keyword)
            else:
                setattr(ds, keyword, value)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2")
        return ds

    return make


def dataset_bytes(ds: pydicom.Dataset) -> bytes:
    """The data set in explicit little endian, without meta information."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    return bytes(out.getvalue())


def file_bytes(ds: pydicom.Dataset) -> bytes:
    """The whole Part 10 file."""
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture
def as_dataset() -> Callable[[pydicom.Dataset], bytes]:
    """See dataset_bytes."""
    return dataset_bytes


@pytest.fixture
def as_file() -> Callable[[pydicom.Dataset], bytes]:
    """See file_bytes."""
    return file_bytes


@pytest.fixture
def store(archive: Archive) -> Callable[..., list[StoreResult]]:
    """Stores data sets as one association does, in fragments of 4,000 bytes; they are in the store then."""

    def send(
        *objects: pydicom.Dataset | bytes, sender: str = "CT1", as_files: bool = False
    ) -> list[StoreResult]:
        results = []
        with archive.intake.transfer(Actor.system("modality"), received_from=sender) as transfer:
            for one in objects:
                if isinstance(one, bytes):
                    incoming, data = transfer.file(), one
                elif as_files:
                    incoming, data = transfer.file(), file_bytes(one)
                else:
                    data = dataset_bytes(one)
                    incoming = transfer.object(
                        sop_class_uid=one.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
                        sop_instance_uid=one.get("SOPInstanceUID", "1.2.3"),
                        transfer_syntax_uid=ExplicitVRLittleEndian,
                    )
                for at in range(0, len(data), 4000):
                    incoming.write(memoryview(data)[at : at + 4000])
                results.append(incoming.commit())
        archive.intake.settler.settle()
        return results

    return send


@pytest.fixture
def web(archive: Archive, make_api: Callable[[Security], Api]) -> Api:
    """The HTTP application on the committing archive, not signed in; `as_role` signs in."""
    identity = Identity(archive.offices, FileMasterKey(b"k" * 32))
    use_identity(identity)
    client = make_api(Security(archive.offices, identity))
    client.app.state.archive = archive
    return client


def study_of(make_dicom: MakeDicom, *shape: int, **attributes: Any) -> list[pydicom.Dataset]:
    """A study with a series of as many slices as each number says."""
    study = str(generate_uid())
    slices = []
    for number, count in enumerate(shape, 1):
        series = str(generate_uid())
        for place in range(1, count + 1):
            slices.append(
                make_dicom(
                    StudyInstanceUID=study, SeriesInstanceUID=series, SeriesNumber=number,
                    InstanceNumber=place, Modality="CT" if number == 1 else "PT", **attributes,
                )
            )  # fmt: skip
    return slices


def rows(archive: Archive, table: str) -> list[dict[str, Any]]:
    """All rows of a table as they stand, hidden ones too, without the instants of change."""
    with archive.offices.database.transaction() as session:
        found = session.execute(text(f"SELECT * FROM {table} ORDER BY 1")).mappings()
        return [{name: value for name, value in row.items() if name != "updated_at"} for row in found]
