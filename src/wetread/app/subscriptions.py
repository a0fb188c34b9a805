"""Who hears what: every event kind with the tasks that run on it. All upward news of the house is on this page."""

from __future__ import annotations

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {}
