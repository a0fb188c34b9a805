"""In which order the files of the suite are run, and by whom: the two cores are to end together, and tests must not starve.

A file is run by one worker, as it shares fixtures; so is the folder of those that share the demo hospital.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

HOSPITAL = "tests/flow/hospital"
# What takes long comes first: a long file that is begun last leaves a core idle. Beside the hospital, which is built on
# both cores for its first minutes, come tests that have no browser; then those of the viewer, each a minute or so.
FIRST = (
    HOSPITAL,
    "tests/wire/test_demo_dciodvfy.py",
    "tests/fault",
    "tests/room/test_room_demo.py",
    "tests/flow/test_flow_dimse.py",
    "tests/flow/test_flow_together.py",
    "tests/wire/viewer",
    "tests/wire",
    "tests/flow",
    "tests/room",
)


def rank(nodeid: str) -> int:
    """The place in the order; what is not named comes last."""
    file = PurePosixPath(nodeid.split("::", 1)[0])
    places = (place for place, one in enumerate(FIRST) if file.is_relative_to(one))
    return next(places, len(FIRST))


class Turns(LoadFileScheduling):
    """Gives out files in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return HOSPITAL if file.startswith(HOSPITAL) else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable, so that a file's own order stays."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Turns:
    """Instead of the largest number of tests first, which says nothing about their time."""
    config.option.loadscopereorder = False
    return Turns(config, log)
