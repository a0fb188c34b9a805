"""The one command: serve, demo, user, token, audit, openapi."""
