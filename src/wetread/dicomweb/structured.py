"""Structured reports (PS3.3 C.17) as text and HTML for reading; what is in them is escaped, and never believed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

JsonDict = Mapping[str, Any]
_CONTENT, _NAME, _TYPE, _RELATION = "0040A730", "0040A043", "0040A040", "0040A010"
_DEPTH_MAX = 64
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#222}"
    "ul{padding-left:1.2em}li{margin:.15em 0}table{border-collapse:collapse;margin-bottom:1em}"
    "td{padding:0 1em 0 0;vertical-align:top}.n{color:#555}"
)


def is_report(document: JsonDict) -> bool:
    """Whether the object is a content tree."""
    return bool(_first(document, _TYPE)) and (_CONTENT in document or _NAME in document)


def as_text(document: JsonDict) -> str:
    """The tree in indented lines."""
    lines = [f"{label}: {value}" for label, value in _heading(document)]
    lines.append("")
    lines += (
        "  " * depth + (f"{name}: {value}" if name and value else name or value)
        for depth, name, value in _walk(document, 0)
    )
    return "\n".join(lines) + "\n"


def as_html(document: JsonDict) -> str:
    """The tree as one page that needs nothing else."""
    rows = "".join(
        f'<tr><td class="n">{escape(label)}</td><td>{escape(value)}</td></tr>'
        for label, value in _heading(document)
    )
    out: list[str] = []
    level = -1
    for depth, name, value in _walk(document, 0):
        if depth > level:
            out.append("<ul>" * (depth - level))
        else:
            out.append("</li>" + "</ul></li>" * (level - depth))
        level = depth
        colon = ": " if name and value else ""
        out.append(
            f'<li><span class="n">{escape(name)}{colon}</span>{escape(value).replace(chr(10), "<br>")}'
        )
    out.append("</li></ul>" * (level + 1))
    title = escape(_code(document, _NAME) or "Report")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><table>{rows}</table>{''.join(out)}</body></html>"
    )


def _heading(document: JsonDict) -> Iterator[tuple[str, str]]:
    for label, tag in (
        ("Patient", "00100010"), ("Patient ID", "00100020"), ("Birth date", "00100030"), ("Study", "00081030"),
        ("Date", "00080023"), ("Accession number", "00080050"), ("Completion", "0040A491"), ("Verification", "0040A493"),
    ):  # fmt: skip
        value = _first(document, tag)
        if value:
            yield label, value


def _first(item: JsonDict, tag: str) -> str:
    values = item.get(tag, {}).get("Value") or [""]
    value = values[0]
    if isinstance(value, dict):
        return str(value.get("Alphabetic", "")).replace("^", " ").strip()
    return "" if value is None else str(value)


def _items(item: JsonDict, tag: str) -> list[JsonDict]:
    return [one for one in item.get(tag, {}).get("Value", []) if isinstance(one, dict)]


def _code(item: JsonDict, tag: str) -> str:
    for code in _items(item, tag)[:1]:
        return _first(code, "00080104") or _first(code, "00080100")
    return ""


def _walk(item: JsonDict, depth: int) -> Iterator[tuple[int, str, str]]:
    """(depth, concept, value) of the items in order."""
    if depth > _DEPTH_MAX:
        return
    for child in _items(item, _CONTENT):
        yield depth, _code(child, _NAME), _value(child)
        yield from _walk(child, depth + 1)


def _value(item: JsonDict) -> str:
    kind = _first(item, _TYPE)
    if kind == "NUM":
        for measured in _items(item, "0040A300")[:1]:
            unit = _code(measured, "004008EA")
            return f"{_first(measured, '0040A30A')} {'' if unit == 'no units' else unit}".strip()
        return _code(item, "0040A301")
    if kind == "CODE":
        return _code(item, "0040A168")
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        referenced = [_first(one, "00081155") for one in _items(item, "00081199")]
        return f"{kind.lower()} {', '.join(filter(None, referenced))}".strip()
    if kind in ("SCOORD", "SCOORD3D", "TCOORD"):
        return f"{kind} {_first(item, '00700023')}".strip()
    tag = {
        "TEXT": "0040A160", "PNAME": "0040A123", "DATE": "0040A121", "TIME": "0040A122", "DATETIME": "0040A120",
        "UIDREF": "0040A124",
    }.get(kind, "")  # fmt: skip
    return _first(item, tag) if tag else ""
