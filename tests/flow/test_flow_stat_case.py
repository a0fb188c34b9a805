"""The 3 AM case through the running product: HL7 order, worklist, MPPS, images, automatic link, reading list, report."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wetread.app.demo.stat import play_stat_case


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Hospital:
    """A demo hospital of this test, and its doors."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.http, self.dicom, self.hl7 = free_port(), free_port(), free_port()
        environment = {
            **os.environ,
            "WETREAD_DATA": str(data),
            "WETREAD_HTTP_PORT": str(self.http),
            "WETREAD_DICOM_PORT": str(self.dicom),
            "WETREAD_HL7_PORT": str(self.hl7),
        }
        self.log = (data / "output.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wetread", "demo"], env=environment, stdout=self.log, stderr=self.log
        )

    def wait(self, condition: Any, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, (self.data / "output.log").read_text()[-3000:]
            try:
                if found := condition():
                    return found
            except OSError:
                pass
            assert time.monotonic() < deadline, (self.data / "output.log").read_text()[-3000:]
            time.sleep(0.2)

    def ask(self, method: str, path: str, role: str, body: Any = None) -> tuple[int, Any]:
        accounts = json.loads((self.data / "demo-credentials.json").read_text())
        account = next(one for one in accounts if one["role"] == role)
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        headers = {"Authorization": f"Bearer {account['token']}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if "json" in kind and content else content

    def password(self, role: str) -> str:
        accounts = json.loads((self.data / "demo-credentials.json").read_text())
        return str(next(one["password"] for one in accounts if one["role"] == role))


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    with tempfile.TemporaryDirectory(prefix="wetread-flow-") as folder:
        Path(folder).chmod(0o755)
        made = Hospital(Path(folder))
        try:
            made.wait(lambda: made.ask("GET", "/readyz", "admin")[0] == 200, 60)
            # The catalogue is there once the first patients are.
            made.wait(lambda: made.ask("GET", "/api/reading-list", "radiologist")[1].get("total"), 90)
            yield made
        finally:
            made.process.send_signal(signal.SIGTERM)
            assert made.process.wait(40) == 0
            made.log.close()


@pytest.mark.timeout(240)
def test_the_case_from_order_to_signed_report(hospital: Hospital) -> None:
    said: list[str] = []
    played = play_stat_case(
        "127.0.0.1", hospital.dicom, hospital.hl7, "WETREAD", pace=0, seed=7, say=said.append
    )
    assert played.images > 30

    def listed() -> Any:
        items = hospital.ask("GET", "/api/reading-list", "radiologist")[1]["items"]
        return next((one for one in items if one["accession_number"] == played.accession_number), None)

    item = hospital.wait(listed, 10)
    assert item["requested_procedure_priority"] == "STAT"
    assert item["patient"]["patient_id"] == played.patient_id
    assert item["study_instance_uid"] == played.study_instance_uid
    assert item["number_of_study_related_instances"] == played.images
    hospital.wait(lambda: listed()["procedure_state"] == "COMPLETED", 10)

    status, series = hospital.ask(
        "GET", f"/dicom-web/studies/{played.study_instance_uid}/series", "radiologist"
    )
    assert status == 200
    assert sum(one["00201209"]["Value"][0] for one in series) == played.images

    status, report = hospital.ask(
        "POST", "/api/reports", "radiologist", {"requested_procedure_pks": [item["requested_procedure_pk"]]}
    )
    assert status == 200, report
    sections = {**report["draft_sections"], "impression": "Acute right-sided intracerebral haemorrhage."}
    signing = {"kind": "final", "sections": sections, "draft_revision": report["draft_revision"]}
    wrong = {**signing, "password": "not the password at all"}
    assert (
        hospital.ask("POST", f"/api/reports/{report['report_pk']}/signature", "radiologist", wrong)[0] == 403
    )
    right = {**signing, "password": hospital.password("radiologist")}
    status, signed = hospital.ask(
        "POST", f"/api/reports/{report['report_pk']}/signature", "radiologist", right
    )
    assert status == 200, signed
    assert signed["state"] == "final"
    status, pdf = hospital.ask("GET", f"/api/reports/{report['report_pk']}/pdf", "radiologist")
    assert status == 200
    assert pdf.startswith(b"%PDF-")
    # Billing sees no report, and a referrer no reading list.
    assert hospital.ask("GET", f"/api/reports/{report['report_pk']}", "biller")[0] == 403
    assert hospital.ask("GET", "/api/reading-list", "referrer")[0] == 403
