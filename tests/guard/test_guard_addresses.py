"""What identifies a patient, and what people type, travels in bodies: addresses land in the logs of proxies and browsers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import description

ROOT = Path(__file__).resolve().parents[2]
# Texts that may stand in an address: codes, places in a list, and the grammar of PS3.18 8.3.5. The list only shrinks.
# (A QIDO-RS search has its keys in the address by the standard; our own client searches by other means.)
CODES = {
    "modality": "a code of PS3.3 C.7.3.1.1.1",
    "body_part_examined": "a code of PS3.16 Annex L",
    "site_code": "a site's own short name",
    "figure": "which figure of the manager's page",
    "cursor": "the sort key of a row: ranks, times and surrogate keys",
    "window": "PS3.18 8.3.5.1.4",
    "viewport": "PS3.18 8.3.5.1.3",
    "frame": "a SOP Instance UID and a number, else it is refused",
}


def in_addresses(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(endpoint, parameter, schema) of all that is given after the question mark."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for given in operation.get("parameters", []):
                if given["in"] == "query":
                    yield f"{method.upper()} {path}", given["name"], given["schema"]


def is_free_text(schema: dict[str, Any], description: dict[str, Any]) -> bool:
    """Whether a schema lets any words through: neither number, truth, date nor one of a few names."""
    if "$ref" in schema:
        return is_free_text(
            description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], description
        )
    if "anyOf" in schema:
        return any(is_free_text(one, description) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return is_free_text(schema["items"], description)
    if (
        schema.get("type") in ("integer", "number", "boolean", "null")
        or "enum" in schema
        or "const" in schema
    ):
        return False
    return schema.get("format") not in ("date", "date-time")


def test_no_address_carries_what_was_typed() -> None:
    served = description()
    telling = [
        f"{endpoint}: {name}"
        for endpoint, name, schema in in_addresses(served)
        if name not in CODES and is_free_text(schema, served)
    ]
    assert telling == [], "take it in the body of a POST …/find"


def test_the_list_of_codes_holds_none_that_is_gone() -> None:
    served = description()
    assert set(CODES) <= {name for _, name, _ in in_addresses(served)}


def test_free_text_is_told_from_codes() -> None:
    named = {"components": {"schemas": {"State": {"enum": ["a", "b"], "type": "string"}}}}
    assert is_free_text({"type": "string", "maxLength": 100}, {})
    assert is_free_text({"anyOf": [{"type": "string"}, {"type": "null"}]}, {})
    assert is_free_text({"type": "array", "items": {"type": "string"}}, {})
    assert not is_free_text({"type": "array", "items": {"$ref": "#/components/schemas/State"}}, named)
    assert not is_free_text({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, {})
    assert not is_free_text({"type": "integer"}, {})


def test_the_client_asks_only_by_parameters_that_exist() -> None:
    """One that the server does not know would be ignored, and be in the logs all the same."""
    served = description()
    known: dict[str, set[str]] = {re.sub(r"{\w+}", "*", path): set() for path in served["paths"]}
    for endpoint, name, _ in in_addresses(served):
        known[re.sub(r"{\w+}", "*", endpoint.split(" ", 1)[1])].add(name)
    strangers, asked = [], 0
    for file in (ROOT / "web" / "src").rglob("*.ts*"):
        for path, query in re.findall(
            r"http\.get<.*?>\(\s*['`](/api/[^'`]+)['`],\s*{[^{}]*?query:\s*{([^}]*)}",
            file.read_text(),
            re.DOTALL,
        ):
            asked += 1
            names = re.findall(r"(?:^|[,{\s])(\w+)\s*(?=[:,]|\s*$)", re.sub(r":[^,]*", ":", query))
            parameters = known[re.sub(r"\$\{[^}]*\}", "*", path)]
            strangers += [f"{file.name}: {path}?{name}" for name in names if name not in parameters]
    assert strangers == []
    assert asked > 10
