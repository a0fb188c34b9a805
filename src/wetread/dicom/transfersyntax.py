"""Transfer syntaxes (PS3.5 section 10, PS3.6 table A-1) and what each means for reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set is encoded. `media_type` is the single-frame media type of PS3.18 table 8.7.3-2."""

    uid: str
    name: str
    explicit: bool = True
    big_endian: bool = False
    encapsulated: bool = False
    deflated: bool = False
    lossy: bool = False
    media_type: str = "application/octet-stream"


def _compressed(uid: str, name: str, media_type: str, *, lossy: bool = False) -> TransferSyntax:
    return TransferSyntax(uid, name, encapsulated=True, lossy=lossy, media_type=media_type)


IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL: Final = "1.2.840.10008.1.2.4.202"

_JPEG = "1.2.840.10008.1.2.4."
TRANSFER_SYNTAXES: Final[dict[str, TransferSyntax]] = {
    syntax.uid: syntax
    for syntax in (
        TransferSyntax(IMPLICIT_VR_LITTLE_ENDIAN, "Implicit VR Little Endian", explicit=False),
        TransferSyntax(EXPLICIT_VR_LITTLE_ENDIAN, "Explicit VR Little Endian"),
        TransferSyntax(
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "Deflated Explicit VR Little Endian", deflated=True
        ),
        TransferSyntax(EXPLICIT_VR_BIG_ENDIAN, "Explicit VR Big Endian", big_endian=True),
        TransferSyntax(
            "1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", encapsulated=True
        ),
        _compressed(JPEG_BASELINE, "JPEG Baseline (Process 1)", "image/jpeg", lossy=True),
        _compressed(_JPEG + "51", "JPEG Extended (Process 2 & 4)", "image/jpeg", lossy=True),
        _compressed(_JPEG + "57", "JPEG Lossless (Process 14)", "image/jpeg"),
        _compressed(_JPEG + "70", "JPEG Lossless (Process 14, Selection Value 1)", "image/jpeg"),
        _compressed(JPEG_LS_LOSSLESS, "JPEG-LS Lossless", "image/jls"),
        _compressed(_JPEG + "81", "JPEG-LS Near-Lossless", "image/jls", lossy=True),
        _compressed(JPEG_2000_LOSSLESS, "JPEG 2000 Lossless Only", "image/jp2"),
        _compressed(_JPEG + "91", "JPEG 2000", "image/jp2", lossy=True),
        _compressed(_JPEG + "92", "JPEG 2000 Part 2 Multi-component Lossless Only", "image/jpx"),
        _compressed(_JPEG + "93", "JPEG 2000 Part 2 Multi-component", "image/jpx", lossy=True),
        _compressed(_JPEG + "100", "MPEG2 Main Profile / Main Level", "video/mpeg", lossy=True),
        _compressed(
            _JPEG + "100.1", "Fragmentable MPEG2 Main Profile / Main Level", "video/mpeg", lossy=True
        ),
        _compressed(_JPEG + "101", "MPEG2 Main Profile / High Level", "video/mpeg", lossy=True),
        _compressed(
            _JPEG + "101.1", "Fragmentable MPEG2 Main Profile / High Level", "video/mpeg", lossy=True
        ),
        _compressed(_JPEG + "102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4", lossy=True),
        _compressed(
            _JPEG + "102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4", lossy=True
        ),
        _compressed(_JPEG + "103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible", "video/mp4", lossy=True),
        _compressed(
            _JPEG + "104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "104.1", "Fragmentable MPEG-4 AVC/H.264 Level 4.2 For 2D Video", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "105.1", "Fragmentable MPEG-4 AVC/H.264 Level 4.2 For 3D Video", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4", lossy=True
        ),
        _compressed(
            _JPEG + "106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile", "video/mp4", lossy=True
        ),
        _compressed(_JPEG + "107", "HEVC/H.265 Main Profile / Level 5.1", "video/H265", lossy=True),
        _compressed(_JPEG + "108", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/H265", lossy=True),
        _compressed(_JPEG + "110", "JPEG XL Lossless", "image/jxl"),
        _compressed(_JPEG + "111", "JPEG XL JPEG Recompression", "image/jxl", lossy=True),
        _compressed(_JPEG + "112", "JPEG XL", "image/jxl", lossy=True),
        _compressed(HTJ2K_LOSSLESS, "High-Throughput JPEG 2000 Lossless Only", "image/jphc"),
        _compressed(HTJ2K_LOSSLESS_RPCL, "High-Throughput JPEG 2000 with RPCL Lossless Only", "image/jphc"),
        _compressed(_JPEG + "203", "High-Throughput JPEG 2000", "image/jphc", lossy=True),
        _compressed(RLE_LOSSLESS, "RLE Lossless", "image/dicom-rle"),
    )
}


def transfer_syntax(uid: str) -> TransferSyntax:
    """The syntax of that UID. A private or unknown one is taken as encapsulated Explicit VR Little Endian (PS3.5 A.4)."""
    known = TRANSFER_SYNTAXES.get(uid)
    return known or TransferSyntax(uid, "Unknown", encapsulated=True)
