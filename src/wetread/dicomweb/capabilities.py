"""Retrieve Capabilities (PS3.18 8.9): what this server does, as WADL or JSON, written from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from wetread.dicomweb import deleting, rendered, retrieve, search, storing, uri, workitems
from wetread.dicomweb.accept import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    OCTET_STREAM,
    RENDERED_MEDIA_TYPES,
    Offer,
)
from wetread.dicomweb.common import NO_STORE, PREFIX, READ, DicomWebRoute, base_url, chosen
from wetread.security.door import Gate, stream_door

router = APIRouter(prefix=PREFIX, route_class=DicomWebRoute, tags=["dicomweb"])

WADL = "application/vnd.sun.wadl+xml"
_SEARCH = ("{attributeID}", "includefield", "fuzzymatching", "limit", "offset")
_DRAWN = ("annotation", "iccprofile", "quality", "viewport", "window")
_PARTS = 'multipart/related; type="{}"'
_KINDS = (DICOM, DICOM_JSON, DICOM_XML)
_STORED = (*map(_PARTS.format, _KINDS), *_KINDS)
_METADATA = (DICOM_JSON, "application/json", _PARTS.format(DICOM_XML))


def resources() -> dict[str, list[dict[str, Any]]]:
    """Methods by path, each with its summary, query parameters, and media types taken and given."""
    found: dict[str, list[dict[str, Any]]] = {}
    for module in (search, retrieve, rendered, storing, deleting, uri, workitems):
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            path = route.path.removeprefix(PREFIX)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                parameters, given = _of(module, path)
                found.setdefault(path, []).append(
                    {
                        "method": method,
                        "summary": (route.endpoint.__doc__ or "").strip(),
                        "parameters": ["accept", "charset", *parameters],
                        "takes": _taken(module, path, method),
                        "gives": [DICOM_JSON, DICOM_XML] if module is storing else list(given),
                    }
                )
    return dict(sorted(found.items()))


def _taken(module: Any, path: str, method: str) -> list[str]:
    """Media types of bodies."""
    if module is storing:
        return list(_STORED)
    if module is workitems and method in ("POST", "PUT") and "/subscribers/" not in path:
        return [DICOM_JSON, DICOM_XML, _PARTS.format(DICOM_JSON), _PARTS.format(DICOM_XML)]
    return []


def _of(module: Any, path: str) -> tuple[Sequence[str], Sequence[str]]:
    """(query parameters, media types) of a resource."""
    if module is deleting:
        return ("reason",), ()
    if module is search:
        return _SEARCH, _METADATA
    if module is storing:
        return (), ()
    if module is workitems:
        return {
            "/workitems": ((*_SEARCH, "AffectedSOPInstanceUID"), _METADATA),
            workitems.ITEM: (("transactionUID",), _METADATA),
            workitems.SUBSCRIBER: (("deletionlock", "filter"), ()),
        }.get(path, ((), ()))
    if module is uri:
        return sorted(uri.PARAMETERS), (*RENDERED_MEDIA_TYPES, DICOM, "text/html", "text/plain")
    if module is rendered:
        if path.endswith("/thumbnail"):
            return ("viewport",), RENDERED_MEDIA_TYPES
        return _DRAWN, (
            *RENDERED_MEDIA_TYPES,
            *map(_PARTS.format, RENDERED_MEDIA_TYPES),
            "text/html",
            "text/plain",
        )
    if path.endswith("/metadata"):
        return (), _METADATA
    if path.endswith("/coarse"):
        return ("frame", "halvings"), (_PARTS.format("image/jphc"),)
    if re.search(r"/(frames/{frames}|bulkdata|pixeldata|bulkdata/{reference})\Z", path):
        return (), (_PARTS.format(OCTET_STREAM), OCTET_STREAM)
    return (), (_PARTS.format(DICOM), DICOM)


def _wadl(base: str) -> bytes:
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">'
        f'<resources base="{escape(base)}">'
    ]
    for path, methods in resources().items():
        out.append(f'<resource path="{escape(path.lstrip("/"))}">')
        out += (
            f'<param name="{name}" style="template" required="true"/>'
            for name in re.findall(r"{(\w+)}", path)
        )
        for one in methods:
            parameters = "".join(
                f'<param name="{escape(name)}" style="query"/>' for name in one["parameters"]
            )
            taken = "".join(f'<representation mediaType="{escape(kind)}"/>' for kind in one["takes"])
            given = "".join(f'<representation mediaType="{escape(kind)}"/>' for kind in one["gives"])
            out.append(
                f'<method name="{one["method"]}"><doc title="{escape(one["summary"])}"/>'
                f"<request>{parameters}{taken}</request><response>{given}</response></method>"
            )
        out.append("</resource>")
    out.append("</resources></application>")
    return "".join(out).encode()


@router.api_route("/", methods=["OPTIONS"], include_in_schema=False)
@router.api_route("/{path:path}", methods=["OPTIONS"], include_in_schema=False)
def capabilities(request: Request, path: str = "", gate: Gate = stream_door(*READ)) -> Response:
    """Capabilities: every resource with its methods, parameters and media types."""
    offer = chosen(request, "Capabilities are", [Offer(WADL), Offer("application/json")])
    allowed = {one["method"] for known, methods in resources().items() if _is(known, path) for one in methods}
    headers = {
        **NO_STORE,
        "Allow": ", ".join(sorted(allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set()))),
    }
    if offer.media_type == WADL:
        return Response(_wadl(base_url(request)), media_type=WADL, headers=headers)
    return Response(
        orjson.dumps({"base": base_url(request), "resources": resources()}),
        media_type="application/json",
        headers=headers,
    )


def _is(known: str, path: str) -> bool:
    """Whether the path names the resource; without a path, all of them."""
    pattern = re.sub(r"{\w+}", "[^/]+", known.strip("/"))
    return not path.strip("/") or bool(re.fullmatch(pattern, path.strip("/")))
