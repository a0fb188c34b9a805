"""Feeds an archive without end, in forked children that are killed at any instant; each acknowledged object is noted.

Reads `url`, `objects folder`, `notes file` from its arguments, then seeds from standard input, one a line: for each it
forks a child and prints its process id.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import threading
from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from archive_fixtures import dataset_bytes, package_file
from wetread.app.rooms import MODELS, load
from wetread.archive.service import Archive, LocalObjects
from wetread.kit.db import Database
from wetread.security.service import Actor, FileMasterKey, Offices

SENDERS = 3


def feed(url: str, folder: Path, notes: int, seed: int) -> None:
    """Several associations at once, each with some objects, until killed."""
    database = Database(url)
    archive = Archive(
        database, Offices(database), LocalObjects(folder, reserve_bytes=0), FileMasterKey(b"m" * 32)
    )
    archive.recover()
    ds = pydicom.dcmread(package_file("CT_small.dcm"))
    ds.remove_private_tags()
    del ds[0xFFFC, 0xFFFC]

    def associate(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        one = pydicom.dcmread(package_file("CT_small.dcm"))
        one.remove_private_tags()
        del one[0xFFFC, 0xFFFC]
        while True:
            one.StudyInstanceUID, one.PatientID = f"1.2.3.{seed}.{chance.randrange(2)}", f"P{seed}"
            one.SeriesInstanceUID = f"{one.StudyInstanceUID}.{number}"
            with archive.intake.transfer(Actor.system("modality"), received_from="CT1") as transfer:
                for _ in range(chance.randrange(1, 12)):
                    one.SOPInstanceUID = generate_uid()
                    # Small ones are kept beside their rows at first, larger ones are files at once.
                    one.Rows = one.Columns = chance.choice((64, 256))
                    one.PixelData = chance.randbytes(2 * one.Rows * one.Columns)
                    data = dataset_bytes(one)
                    incoming = transfer.object(
                        sop_class_uid=one.SOPClassUID,
                        sop_instance_uid=one.SOPInstanceUID,
                        transfer_syntax_uid="1.2.840.10008.1.2.1",
                    )
                    for at in range(0, len(data), 16384):
                        incoming.write(memoryview(data)[at : at + 16384])
                    if incoming.commit().status == 0:
                        digest = hashlib.sha256(data).hexdigest()
                        os.write(notes, f"{one.StudyInstanceUID} {one.SOPInstanceUID} {digest}\n".encode())

    for number in range(SENDERS):
        threading.Thread(target=associate, args=(number,), daemon=True).start()
    threading.Event().wait()


def main() -> None:
    """See above."""
    url, folder, notes = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    load(MODELS)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            feed(url, folder, descriptor, int(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
