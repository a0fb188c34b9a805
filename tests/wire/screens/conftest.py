"""Screens in a browser, on an application that tells what was committed."""

from archive_fixtures import archive, decoder, web
from dicomweb_fixtures import live_port

__all__ = ["archive", "decoder", "live_port", "web"]
