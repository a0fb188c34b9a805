"""The one demo hospital of this folder: to build its images takes minutes of both cores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hospital_fixtures import Hospital, running_hospital


# Of the package, not of the run: it ends with the last test of this folder, and takes nothing from those that follow.
@pytest.fixture(scope="package")
def hospital() -> Iterator[Hospital]:
    with running_hospital() as running:
        yield running
