"""DICOMweb under `/dicom-web` (PS3.18): the studies service (10.4 to 10.6), the URI service (9), capabilities (8.9)."""

from __future__ import annotations

from fastapi import APIRouter

from wetread.dicomweb import (
    capabilities,
    deleting,
    opening,
    rendered,
    retrieve,
    search,
    storing,
    uri,
    workitem_channel,
    workitems,
)

router = APIRouter()
for service in (
    search,
    retrieve,
    opening,
    rendered,
    storing,
    deleting,
    uri,
    workitems,
    workitem_channel,
    capabilities,
):
    router.routes.extend(service.router.routes)
