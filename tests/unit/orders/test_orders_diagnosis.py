"""Diagnoses are looked up by many requests at once, also the very first ones."""

import subprocess
import sys

ASKED = """
from concurrent.futures import ThreadPoolExecutor
from wetread.orders.service import diagnosis

with ThreadPoolExecutor(8) as pool:
    found = set(pool.map(diagnosis, ["R51.9"] * 8))
(one,) = found
assert one.description == "Headache, unspecified", one
"""


def test_the_first_questions_may_come_together() -> None:
    subprocess.run([sys.executable, "-c", ASKED], check=True, timeout=120)
