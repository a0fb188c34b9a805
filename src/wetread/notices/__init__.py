"""Notices: what the product tells people inside of itself, each person's own read or unread."""
