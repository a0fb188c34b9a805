"""The Native DICOM Model (PS3.19 A.1) as XML, from and to the DICOM JSON Model (PS3.18 F). Pure.

What is read comes from outside: document type declarations are refused, so that no entity is ever expanded, and depth
and number of attributes have limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from wetread.dicom.header import DEPTH_MAX
from wetread.dicom.jsonmodel import ELEMENTS_MAX

JsonDict = dict[str, Any]
NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
_INTEGERS = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV"})
_DECIMALS = frozenset({"DS", "FL", "FD"})


class NotNative(ValueError):
    """The text is no Native DICOM Model."""


def to_xml(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8. Characters that XML cannot hold become U+FFFD."""
    body = "".join(_attributes(document))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">{body}'
        "</NativeDicomModel>"
    ).encode()


def _text(value: Any) -> str:
    return escape(_NOT_XML.sub("\ufffd", str(value)))


def _attributes(document: Mapping[str, Any]) -> Iterator[str]:
    for tag, element in document.items():
        number = int(tag, 16)
        keyword = keyword_for_tag(number)
        named = f" keyword={quoteattr(keyword)}" if keyword else ""
        if number >> 16 & 1 and number & 0xFFFF > 0xFF:
            creator = document.get(f"{number >> 16:04X}00{number >> 8 & 0xFF:02X}", {}).get("Value", [None])[
                0
            ]
            if creator:
                named += f" privateCreator={quoteattr(_NOT_XML.sub(chr(0xFFFD), str(creator)))}"
        yield f'<DicomAttribute tag="{tag}" vr="{element.get("vr", "UN")}"{named}>{"".join(_content(element))}</DicomAttribute>'


def _content(element: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(str(element['BulkDataURI']))}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{_text(element['InlineBinary'])}</InlineBinary>"
    for number, value in enumerate(element.get("Value", []), 1):
        if element.get("vr") == "SQ":
            yield f'<Item number="{number}">{"".join(_attributes(value or {}))}</Item>'
        elif element.get("vr") == "PN":
            yield f'<PersonName number="{number}">{"".join(_name(value or {}))}</PersonName>'
        elif value is not None:
            yield f'<Value number="{number}">{_text(value)}</Value>'


def _name(value: Mapping[str, str] | str) -> Iterator[str]:
    groups = {"Alphabetic": value} if isinstance(value, str) else value
    for group in _GROUPS:
        text = groups.get(group)
        if text:
            parts = text.split("^", len(_COMPONENTS) - 1)
            inner = "".join(
                f"<{name}>{_text(part)}</{name}>"
                for name, part in zip(_COMPONENTS, parts, strict=False)
                if part
            )
            yield f"<{group}>{inner}</{group}>"


def from_xml(data: bytes) -> JsonDict:
    """The document that the XML holds, in the DICOM JSON Model. Raises NotNative."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise NotNative(f"it is not well-formed ({expat.ErrorString(error.code)})") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, NotNative):
            raise
        raise NotNative("its encoding is not known") from None
    if reader.root is None:
        raise NotNative("there is no NativeDicomModel")
    return reader.root


def _refuse(*_: Any) -> None:
    raise NotNative("document type declarations are not taken")


class _Reader:
    """Builds the document while the parser walks the text."""

    def __init__(self) -> None:
        self.root: JsonDict | None = None
        self._documents: list[JsonDict] = []
        self._elements: list[JsonDict] = []
        self._characters: list[str] = []
        self._name: dict[str, list[str]] = {}
        self._group = ""
        self._number = 0
        self._left = ELEMENTS_MAX

    def start(self, full_name: str, attributes: dict[str, str]) -> None:
        name = full_name.rsplit(" ", 1)[-1]
        self._characters = []
        if name == "NativeDicomModel":
            self.root = {}
            self._documents = [self.root]
        elif not self._documents:
            raise NotNative("the root is not a NativeDicomModel")
        elif name == "DicomAttribute":
            self._attribute(attributes)
        elif name == "Item":
            if not self._elements or len(self._documents) > DEPTH_MAX:
                raise NotNative("an item is out of place or too deep")
            item: JsonDict = {}
            self._elements[-1].setdefault("Value", []).append(item)
            self._documents.append(item)
        elif name in ("Value", "PersonName"):
            self._number = _position(attributes)
            self._name = {}
        elif name in _GROUPS:
            self._group = name
            self._name[name] = [""] * len(_COMPONENTS)
        elif name == "BulkData" and self._elements:
            uri = attributes.get("uri") or attributes.get("uuid")
            if uri:
                self._elements[-1]["BulkDataURI"] = uri

    def _attribute(self, attributes: dict[str, str]) -> None:
        tag, vr = attributes.get("tag", ""), attributes.get("vr", "UN")
        if not _TAG.match(tag):
            raise NotNative("an attribute has no tag of eight hexadecimal digits")
        self._left -= 1
        if self._left < 0:
            raise NotNative(f"it has more than {ELEMENTS_MAX} attributes")
        element: JsonDict = {"vr": vr[:2]}
        self._documents[-1][tag.upper()] = element
        self._elements.append(element)

    def characters(self, text: str) -> None:
        self._characters.append(text)

    def end(self, full_name: str) -> None:
        name = full_name.rsplit(" ", 1)[-1]
        text = "".join(self._characters)
        self._characters = []
        if name == "DicomAttribute":
            self._elements.pop()
        elif name == "Item":
            self._documents.pop()
        elif name in _COMPONENTS and self._group:
            self._name[self._group][_COMPONENTS.index(name)] = text
        elif name == "PersonName" and self._elements:
            groups = {group: "^".join(parts).rstrip("^") for group, parts in self._name.items()}
            self._put(groups)
        elif name == "Value" and self._elements:
            self._put(_value(self._elements[-1]["vr"], text))
        elif name == "InlineBinary" and self._elements:
            self._elements[-1]["InlineBinary"] = "".join(text.split())

    def _put(self, value: Any) -> None:
        values: list[Any] = self._elements[-1].setdefault("Value", [])
        # Values are numbered, and empty ones may be left out (PS3.19 A.1.2).
        missing = max(self._number - 1 - len(values), 0)
        self._left -= missing
        if self._left < 0:
            raise NotNative(f"it has more than {ELEMENTS_MAX} attributes and values")
        values.extend([None] * missing)
        values.append(value)


def _position(attributes: Mapping[str, str]) -> int:
    text = attributes.get("number", "1")
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= ELEMENTS_MAX:
        raise NotNative("a value has no number")
    return int(text)


def _value(vr: str, text: str) -> Any:
    if vr in _INTEGERS or vr in _DECIMALS:
        stripped = text.strip()
        if not stripped:
            return None
        try:
            return int(stripped) if vr in _INTEGERS else float(stripped)
        except ValueError:
            raise NotNative(f"a value of {vr} is no number") from None
    return text
