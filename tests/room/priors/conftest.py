"""Cases that wait to be read."""

from case_fixtures import committed_ward, ward

__all__ = ["committed_ward", "ward"]
