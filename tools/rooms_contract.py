"""An import rule: a room is entered by its door; other rooms import only its package, model, service or events."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class RoomsContract(Contract):
    """`doors` are the modules of a room that others may import; `open_to` rooms see everything; `open_rooms` have no
    walls."""

    container = fields.StringField()
    doors = fields.ListField(subfield=fields.StringField())
    open_to = fields.ListField(subfield=fields.StringField(), required=False)
    open_rooms = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Lists every import that goes through a wall."""
        prefix = f"{self.container}."
        broken: list[str] = []
        for imported in sorted(module for module in graph.modules if module.startswith(prefix)):
            room, _, inside = imported.removeprefix(prefix).partition(".")
            if not inside or room in (self.open_rooms or []) or inside.split(".")[0] in self.doors:
                continue
            for importer in sorted(graph.find_modules_that_directly_import(imported)):
                other = importer.removeprefix(prefix).split(".")[0] if importer.startswith(prefix) else None
                if other and other != room and other not in (self.open_to or []):
                    broken.append(f"{importer} -> {imported}")
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Prints the imports at fault."""
        for line in check.metadata["broken"]:
            output.print_error(f"{line}  (enter by the door: {', '.join(self.doors)})")
