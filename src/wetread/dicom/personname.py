"""Person names (PS3.5 6.2, PN): up to three component groups of five components."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PersonName:
    """A PN value. Groups are shown verbatim, even where a sender wrote more than three or six components."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @classmethod
    def parse(cls, text: str) -> PersonName:
        """From `A=I=P`; empty trailing components are dropped."""
        groups = [group.strip(" ").rstrip("^") for group in text.split("=")]
        groups += [""] * (3 - len(groups))
        return cls(*groups[:3])

    def __str__(self) -> str:
        return "=".join((self.alphabetic, self.ideographic, self.phonetic)).rstrip("=")

    def as_json(self) -> dict[str, str]:
        """The JSON model's object (PS3.18 F.2.2)."""
        groups = {"Alphabetic": self.alphabetic, "Ideographic": self.ideographic, "Phonetic": self.phonetic}
        return {name: group for name, group in groups.items() if group}

    @classmethod
    def from_json(cls, value: object) -> PersonName:
        """From the JSON model's object, or from a plain string, which some clients send."""
        if isinstance(value, str):
            return cls.parse(value)
        if isinstance(value, dict):
            return cls(*(str(value.get(name, "")) for name in ("Alphabetic", "Ideographic", "Phonetic")))
        return cls()

    @property
    def family_name(self) -> str:
        """The alphabetic family name."""
        return self.alphabetic.split("^")[0]

    @property
    def given_name(self) -> str:
        """The alphabetic given name."""
        parts = self.alphabetic.split("^")
        return parts[1] if len(parts) > 1 else ""
