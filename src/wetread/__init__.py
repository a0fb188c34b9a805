"""Wetread: a PACS and RIS in one system."""
