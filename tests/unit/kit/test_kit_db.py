"""How long a silent database is waited for."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from wetread.kit.db import with_limits


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://wetread@db.example.org/wetread",
        "postgresql://wetread@db.example.org/wetread?sslmode=verify-full",
        "postgresql://wetread@/wetread?host=%2Frun%2Fpg",
    ],
)
def test_a_line_that_is_dead_is_noticed_within_a_minute(url: str) -> None:
    plain, limited = conninfo_to_dict(url), conninfo_to_dict(with_limits(url))
    assert {name: limited[name] for name in plain} == plain
    probes = int(limited["keepalives_interval"]) * int(limited["keepalives_count"])
    assert int(limited["keepalives_idle"]) + probes <= 30
    assert int(limited["tcp_user_timeout"]) <= 30_000
    assert with_limits(with_limits(url)) == with_limits(url)


def test_what_an_administrator_says_counts() -> None:
    url = "postgresql://wetread@db/wetread?keepalives_idle=120&tcp_user_timeout=0"
    limited = conninfo_to_dict(with_limits(url))
    assert (limited["keepalives_idle"], limited["tcp_user_timeout"]) == ("120", "0")
    assert limited["keepalives_count"] == "3"
