"""The composition root: settings become processes, rooms get their collaborators, all wiring readable in one place."""
