"""The decoding process: reads a question from standard input, answers on standard output, knows nothing else.

Codecs are imagecodecs' (no GDCM: it aborts on hostile input). Every size is checked before memory is asked for.
"""

from __future__ import annotations

import base64
import os
import resource
import struct
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import jpeg_ls
import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

from wetread.kit import limits

Array = npt.NDArray[Any]
Header = dict[str, Any]

_NATIVE = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.98"}
)
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
_TILE_PART_A_RESOLUTION = 1


class Undecodable(Exception):
    """The frame cannot be decoded; the message says why."""


def main() -> None:
    """Answers questions until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.DECODER_MEMORY_BYTES, limits.DECODER_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    steps_aside = False
    while head := _exactly(source, 12):
        length, size = struct.unpack("<IQ", head)
        header, data = orjson.loads(_exactly(source, length)), _exactly(source, size)
        if header["do"] in ("encode", "encode_htj2k") and not steps_aside:
            # They are made ahead of need: a process that makes them takes only what nobody else wants.
            steps_aside = True
            os.nice(19)
        try:
            answer, content = {}, answer_to(header, data)
        except MemoryError:
            answer, content = {"error": "it needs too much memory"}, b""
        except Undecodable as error:
            answer, content = {"error": str(error)}, b""
        except Exception as error:  # noqa: BLE001 - codecs raise what they like
            answer, content = {"error": f"the codec refused it ({type(error).__name__})"}, b""
        text = orjson.dumps(answer)
        sink.write(struct.pack("<IQ", len(text), len(content)) + text)
        sink.write(content)
        sink.flush()


def _exactly(source: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = source.read(size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def answer_to(header: Header, data: bytes) -> bytes:
    """The answer to one question."""
    _check(header)
    if header["do"] == "encode_htj2k":
        return encode_htj2k(header, data)
    if header["do"] == "encode":
        return encode(header, data)
    if header["do"] == "render":
        embedded = any(plane["bit"] and not plane["data"] for plane in header["overlays"])
        raw = _raw_bits(header, data) if embedded else None
        return render(header, decode(header, data), raw)
    frame = decode(header, data)
    if header["do"] == "decode":
        if header["bits_allocated"] == 1:
            return np.packbits(frame, bitorder="little").tobytes()
        if header["planes"] and header["planar_configuration"] == 1 and frame.ndim == 3:
            frame = frame.transpose(2, 0, 1)
        return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
    raise Undecodable("the question is not known")


def _check(header: Header) -> None:
    rows, columns, bits = header["rows"], header["columns"], header["bits_allocated"]
    if not rows or not columns or bits not in (1, 8, 16, 32, 64):
        raise Undecodable("its dimensions are missing or unknown")
    if rows * columns * header["samples_per_pixel"] * max(bits // 8, 1) > limits.FRAME_DECODE_BYTES_MAX:
        raise Undecodable("one frame is larger than the limit")
    if header["samples_per_pixel"] not in (1, 3, 4):
        raise Undecodable("its number of samples is unknown")


def decode(header: Header, data: bytes) -> Array:
    """The frame as (rows, columns) or (rows, columns, samples), values as PS3.5 8.1.1 has them."""
    syntax = header["transfer_syntax_uid"]
    if header["bits_allocated"] == 1:
        frame = _bits(header, data)
    elif syntax in _NATIVE:
        frame = _native(header, data)
    else:
        frame = _compressed(header, data, syntax)
    if frame.shape[:2] != (header["rows"], header["columns"]):
        raise Undecodable("the codestream has other dimensions than the header")
    return _stored_values(header, frame)


def _raw_bits(header: Header, data: bytes) -> Array | None:
    """All bits of a plain frame, those outside of BitsStored too; None where they are not kept."""
    if header["transfer_syntax_uid"] not in _NATIVE or header["bits_allocated"] != 16:
        return None
    return _native({**header, "pixel_representation": 0}, data)


def _dtype(header: Header) -> np.dtype[Any]:
    bits = header["bits_allocated"]
    if header["float_bytes"]:
        return np.dtype(f"<f{header['float_bytes']}")
    kind = "i" if header["pixel_representation"] and header["samples_per_pixel"] == 1 else "u"
    order = ">" if header["transfer_syntax_uid"] == _BIG_ENDIAN else "<"
    return np.dtype(f"{order}{kind}{bits // 8}")


def _bits(header: Header, data: bytes) -> Array:
    count = header["rows"] * header["columns"] * header["samples_per_pixel"]
    first = (header["number"] - 1) * count if header["whole"] else 0
    packed = np.frombuffer(data, np.uint8, -(-(first % 8 + count) // 8), first // 8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 : first % 8 + count]
    return bits.reshape(header["rows"], header["columns"])


def _native(header: Header, data: bytes) -> Array:
    rows, columns, samples = header["rows"], header["columns"], header["samples_per_pixel"]
    dtype = _dtype(header)
    if dtype.itemsize == 1 and header["words"] and header["transfer_syntax_uid"] == _BIG_ENDIAN:
        # Bytes in big-endian words (OW) stand in pairs the other way round (PS3.5 8.1.1, Annex D).
        data = np.frombuffer(data, "<u2", len(data) // 2).byteswap().tobytes()
    if header["photometric_interpretation"] in ("YBR_FULL_422", "YBR_PARTIAL_422") and samples == 3:
        count = rows * columns * 2
        flat = np.frombuffer(data, dtype, count, _start(header, count * dtype.itemsize))
        pairs = flat.reshape(-1, 4)
        full = np.empty((len(pairs), 2, 3), dtype)
        full[:, 0, 0], full[:, 1, 0] = pairs[:, 0], pairs[:, 1]
        full[:, :, 1], full[:, :, 2] = pairs[:, 2:3], pairs[:, 3:4]
        return full.reshape(rows, columns, 3)
    count = rows * columns * samples
    flat = np.frombuffer(data, dtype, count, _start(header, count * dtype.itemsize))
    if samples == 1:
        return flat.reshape(rows, columns)
    if header["planar_configuration"] == 1:
        return flat.reshape(samples, rows, columns).transpose(1, 2, 0)
    return flat.reshape(rows, columns, samples)


def _start(header: Header, frame_bytes: int) -> int:
    return (header["number"] - 1) * frame_bytes if header["whole"] else 0


def _compressed(header: Header, data: bytes, syntax: str) -> Array:
    number = syntax.removeprefix(_JPEG)
    if syntax == _RLE:
        return _run_lengths(header, data)
    if number in ("50", "51"):
        frame: Array = _jpeg(header, data)
    elif number in ("57", "70"):
        frame = imagecodecs.ljpeg_decode(data)
    elif number in ("80", "81"):
        frame = imagecodecs.jpegls_decode(data)
    elif number in ("90", "91", "92", "93"):
        frame = imagecodecs.jpeg2k_decode(data)
    elif number in ("201", "202", "203"):
        frame = imagecodecs.htj2k_decode(data)
    elif number in ("110", "111", "112"):
        frame = imagecodecs.jpegxl_decode(data)
    else:
        raise Undecodable("there is no decoder for its transfer syntax")
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    wanted = _dtype(header)
    if (
        header["samples_per_pixel"] == 1
        and frame.dtype.itemsize <= wanted.itemsize
        and frame.dtype.kind in "iu"
    ):
        # An unsigned codestream of signed values: two's complement at the stored depth, see _stored_values.
        frame = frame.astype(np.dtype(f"<{frame.dtype.kind}{wanted.itemsize}")).view(wanted)
    return frame


def _jpeg(header: Header, data: bytes) -> Array:
    """Baseline and extended JPEG. What the stream says of its colours counts; where it says nothing, the header does.

    Samples of YBR_FULL that leave as plain pixels stay what the metadata say that they are (PS3.3 C.7.6.3.1.2). Those
    of YBR_FULL_422 have no plain form without a loss, and become RGB.
    """
    if header["do"] == "decode" and header["photometric_interpretation"] == "YBR_FULL":
        drawn = _jpeg({**header, "do": "render"}, data)
        return drawn if drawn.ndim == 2 else _as_ycbcr(data, drawn)
    start = data[:1024]
    adobe = start.find(b"Adobe")
    # A marker that is too short to say a transformation says nothing.
    told = b"JFIF" in start or (adobe >= 2 and struct.unpack_from(">H", start, adobe - 2)[0] >= 14)
    if header["samples_per_pixel"] != 3 or told:
        return np.asarray(imagecodecs.jpeg_decode(data))
    space = "RGB" if header["photometric_interpretation"] == "RGB" else "YCBCR"
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace=space, outcolorspace="RGB"))


def _as_ycbcr(data: bytes, rgb: Array) -> Array:
    try:
        return np.asarray(imagecodecs.jpeg8_decode(data, outcolorspace="YCBCR"))
    except Exception:  # noqa: BLE001 - a stream of RGB under another name: its codec does not convert that way
        return np.asarray(Image.fromarray(np.ascontiguousarray(rgb), "RGB").convert("YCbCr"))


def _run_lengths(header: Header, data: bytes) -> Array:
    """RLE Lossless (PS3.5 G): a header of up to 15 segment offsets, one segment a byte plane, high byte first."""
    rows, columns, samples = header["rows"], header["columns"], header["samples_per_pixel"]
    width = header["bits_allocated"] // 8
    count, *offsets = struct.unpack_from("<16I", data)
    if count != samples * width or any(offset >= len(data) for offset in offsets[:count]):
        raise Undecodable("its run-length segments do not fit its header")
    planes = np.empty((samples, width, rows * columns), np.uint8)
    bounds = [*offsets[:count], len(data)]
    for index in range(count):
        plane = _unpack(data[bounds[index] : bounds[index + 1]], rows * columns)
        planes[index // width, width - 1 - index % width] = plane
    values = planes.transpose(0, 2, 1).reshape(samples, -1).view(_dtype(header))
    frame = values.reshape(samples, rows, columns).transpose(1, 2, 0)
    return frame[:, :, 0] if samples == 1 else frame


def _unpack(segment: bytes, size: int) -> Array:
    out = np.frombuffer(imagecodecs.packbits_decode(segment), np.uint8)
    if len(out) < size:
        raise Undecodable("a run-length segment is too short")
    return out[:size]


def _stored_values(header: Header, frame: Array) -> Array:
    """Drops bits outside of BitsStored (old overlays, rubbish) and extends the sign."""
    bits, allocated = header["bits_stored"], header["bits_allocated"]
    if not bits or frame.dtype.kind == "f" or bits >= frame.dtype.itemsize * 8 or allocated == 1:
        return frame
    shift = max((header["high_bit"] or bits - 1) + 1 - bits, 0)
    unsigned = frame.view(np.dtype(f"{frame.dtype.str[0]}u{frame.dtype.itemsize}"))
    values = unsigned >> shift & ((1 << bits) - 1)
    if frame.dtype.kind != "i":
        return np.asarray(values.astype(frame.dtype, copy=False))
    sign = 1 << (bits - 1)
    return np.asarray(((values.astype(np.int64) ^ sign) - sign).astype(frame.dtype))


def encode_htj2k(header: Header, data: bytes) -> bytes:
    """HTJ2K lossless, RPCL order, a tile-part for each resolution, whose lengths are told; decoded again and compared, bit
    by bit."""
    frame = _native(header, data)
    samples, bits = header["samples_per_pixel"], header["bits_allocated"]
    if bits not in (8, 16) or (samples == 3 and bits != 8):
        raise Undecodable("it is not of a kind that is made into HTJ2K")
    frame = np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder("="), copy=False))
    encoded = _as_htj2k(header, frame)
    again: Array = imagecodecs.htj2k_decode(encoded)
    if again.dtype != frame.dtype or again.shape != frame.shape or not np.array_equal(again, frame):
        raise Undecodable("its HTJ2K copy is not identical")
    return encoded


def _htj2k(frame: Array) -> bytes:
    # So its beginning can be asked for alone, and is a smaller picture (`dicom.codestream`).
    return bytes(imagecodecs.htj2k_encode(frame, reversible=True, tlm=True, tilepart=_TILE_PART_A_RESOLUTION))


def _as_htj2k(header: Header, frame: Array) -> bytes:
    """An HTJ2K codestream that says the precision of Bits Stored (PS3.5 8.2.4), where all values have it.

    The codec knows whole words alone: where it writes 16 bits, the precision is told anew. Its coefficients and their
    planes stay what they are, since the codestream says those by themselves (QCD, ISO 15444-1 A.6.4); unsigned values are
    lowered by half of what the precision can hold (G.1.2), and are raised beforehand by the difference. Up to 8 bits in a
    word stay 16: other programs would decode them to bytes, where the attributes say words.
    """
    bits = header["bits_stored"] or 0
    signed = frame.dtype.kind == "i"
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed and bits else (0, (1 << bits) - 1)
    narrow = frame.ndim == 2 and frame.dtype.itemsize == 2 and 8 < bits < 16
    if not narrow or int(frame.min()) < least or int(frame.max()) > most:
        return _htj2k(frame)
    if not signed:
        frame = frame + np.uint16((1 << 15) - (1 << (bits - 1)))
    encoded = bytearray(_htj2k(frame))
    told = 0x8F if signed else 0x0F
    # SOC, SIZ and one component, whose byte says its sign and its bits less one (ISO 15444-1 A.5.1).
    if encoded[:4] != b"\xff\x4f\xff\x51" or encoded[40:43] != bytes((0, 1, told)):
        raise Undecodable("its HTJ2K codestream is of another form than it should be")
    encoded[42] = told & 0x80 | (bits - 1)
    return bytes(encoded)


def _as_jpeg_ls(header: Header, frame: Array) -> bytes:
    """A JPEG-LS codestream of the precision of Bits Stored (PS3.5 8.2.3), where all values have it.

    It knows no sign: its samples are two's complement of as many bits, whose sign is extended where they are decoded. Its
    code depends on the precision (ISO 14495-1 A.2.1, C.2.4.1.1), which therefore cannot be told anew afterwards; of our two
    codecs only one is told of it. Up to 8 bits in a word stay 16, as other programs would decode them to bytes; fewer in a
    byte stay 8, as DCMTK decodes none of less.
    """
    bits = header["bits_stored"] or 0
    signed = frame.dtype.kind == "i"
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed and bits else (0, (1 << bits) - 1)
    whole = frame.view(f"u{frame.dtype.itemsize}")
    narrow = frame.ndim == 2 and frame.dtype.itemsize == 2 and 8 < bits < 16
    if not narrow or int(frame.min()) < least or int(frame.max()) > most:
        return bytes(imagecodecs.jpegls_encode(whole))
    rows, columns = frame.shape
    samples = (whole & np.uint16((1 << bits) - 1)).tobytes()
    return bytes(jpeg_ls.encode_buffer(samples, rows, columns, 1, bits))


def encode(header: Header, data: bytes) -> bytes:
    """A plain frame in the compressed syntax `to`, without loss."""
    frame = _native(header, data)
    samples, bits, to = header["samples_per_pixel"], header["bits_allocated"], header["to"]
    if bits not in (8, 16) or samples not in (1, 3) or (samples == 3 and bits != 8):
        raise Undecodable("its kind of pixels is not compressed")
    frame = np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder("="), copy=False))
    number = to.removeprefix(_JPEG)
    if to == _RLE:
        return _as_run_lengths(frame)
    if number == "202":
        return _as_htj2k(header, frame)
    if number == "90":
        return bytes(
            imagecodecs.jpeg2k_encode(
                frame,
                level=0,
                codecformat="J2K",
                reversible=True,
                bitspersample=header["bits_stored"] or bits,
            )
        )
    if number == "80":
        return _as_jpeg_ls(header, frame)
    raise Undecodable("nothing is put into that transfer syntax")


def _as_run_lengths(frame: Array) -> bytes:
    """RLE Lossless (PS3.5 G): a segment for each byte of each sample, the high byte first, each row by itself."""
    samples = frame if frame.ndim == 3 else frame[:, :, None]
    segments = []
    for sample in np.moveaxis(samples, 2, 0):
        octets = np.ascontiguousarray(sample).view(np.uint8).reshape(*sample.shape, -1)
        for place in range(octets.shape[2] - 1, -1, -1):  # of little-endian words
            packed = imagecodecs.packbits_encode(np.ascontiguousarray(octets[:, :, place]), axis=-1)
            segments.append(bytes(packed) + b"\0" * (len(packed) % 2))
    offsets = [64 + sum(map(len, segments[:place])) for place in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def render(header: Header, frame: Array, raw: Array | None = None) -> bytes:
    """The frame as it is looked at (PS3.4 N.2): modality transformation, window, presentation, overlays, shape, size.

    `raw` holds the bits of the frame that `decode` masks away, for overlays that are kept there.
    """
    photometric = header["photometric_interpretation"]
    if photometric == "PALETTE COLOR":
        picture = Image.fromarray(_palette(header, frame), "RGB")
    elif frame.ndim == 3:
        picture = Image.fromarray(_colour(header, frame, photometric), "RGB")
    else:
        grey = _grey(header, frame)
        # Whatever the window did, the least is white in MONOCHROME1 (PS3.3 C.7.6.3.1.2).
        picture = Image.fromarray(255 - grey if header["inverse"] else grey, "L")
    for plane in header["overlays"]:
        _lay_over(picture, _overlay(plane, raw))
    profile = _profile(header, picture)
    if profile is not None and header["icc"] == "srgb" and header.get("profile"):
        picture = _as_srgb(header, picture)
    picture = _fitted(header, picture)
    if header["annotations"] or header["edges"]:
        picture = _annotated(picture, header["annotations"], _edges(header))
    return _written(header, picture, profile)


def _written(header: Header, picture: Image.Image, profile: bytes | None) -> bytes:
    out = BytesIO()
    media_type = header["media_type"]
    if media_type == "image/png":
        picture.save(out, "PNG", compress_level=1, icc_profile=profile)
    elif media_type == "image/gif":
        picture.convert("P" if picture.mode == "RGB" else "L").save(out, "GIF")
    elif media_type == "image/jp2":
        picture.save(out, "JPEG2000")
    else:
        picture.save(out, "JPEG", quality=min(max(int(header["quality"]), 1), 100), icc_profile=profile)
    return out.getvalue()


def _profile(header: Header, picture: Image.Image) -> bytes | None:
    """The ICC profile to put into the image; grey images have none (PS3.18 8.3.5.1.5)."""
    if header["icc"] == "no" or picture.mode != "RGB":
        return None
    own = base64.b64decode(header.get("profile") or "")
    if header["icc"] == "yes" and own:
        return own
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _as_srgb(header: Header, picture: Image.Image) -> Image.Image:
    source = ImageCms.ImageCmsProfile(BytesIO(base64.b64decode(header["profile"])))
    try:
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    except ImageCms.PyCMSError:
        return picture
    return converted or picture


def _fitted(header: Header, picture: Image.Image) -> Image.Image:
    """The region asked for, with square pixels, in the size asked for."""
    width, height = picture.size
    shown_height = float(height)
    if header["region"]:
        left, top, across, down = header["region"]
        box = (left, top, left + abs(across), top + abs(down))
        if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
            raise Undecodable("the region lies outside of the picture")
        whole = tuple(round(one) for one in box)
        picture = picture.crop((whole[0], whole[1], max(whole[2], whole[0] + 1), max(whole[3], whole[1] + 1)))
        if across < 0:
            picture = ImageOps.mirror(picture)
        if down < 0:
            picture = ImageOps.flip(picture)
        width, height = picture.size
        shown_height = float(height)
    aspect = float(header["aspect"])
    shown_width = float(width)
    if aspect >= 1:
        shown_height *= aspect
    else:
        shown_width /= aspect
    scale = 1.0
    if header["viewport"]:
        scale = min(max(header["viewport"][0], 1) / shown_width, max(header["viewport"][1], 1) / shown_height)
        if not header["enlarge"]:
            scale = min(scale, 1.0)
    size = (max(round(shown_width * scale), 1), max(round(shown_height * scale), 1))
    if size[0] * size[1] > limits.RENDERED_PIXELS_MAX:
        raise Undecodable("the picture would be larger than the limit")
    if size == (width, height):
        return picture
    smaller = size[0] * size[1] < width * height
    return picture.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC)


def _annotated(picture: Image.Image, lines: Sequence[str], edges: Mapping[str, str]) -> Image.Image:
    """Lines of text in the upper left corner and letters at the edges, light with a dark rim, readable on any image."""
    # What stands at the edges is few words, and is read on small pictures too.
    size = min(max(picture.height // (16 if edges else 32), 10), 40)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    light = 255 if picture.mode == "L" else (255, 255, 255)
    dark = 0 if picture.mode == "L" else (0, 0, 0)
    for number, line in enumerate(lines):
        draw.text(
            (size // 2, size // 2 + number * (size + size // 4)),
            line,
            fill=light,
            font=font,
            stroke_width=max(size // 12, 1),
            stroke_fill=dark,
        )
    middle, bottom, centre, right = (
        picture.height // 2,
        picture.height - size // 4,
        picture.width // 2,
        picture.width - size // 4,
    )
    places = {
        "left": (size // 4, middle, "lm"),
        "right": (right, middle, "rm"),
        "top": (centre, size // 4, "ma"),
        "bottom": (centre, bottom, "md"),
    }
    for edge, (x, y, anchor) in places.items():
        letters = edges.get(edge, "")
        draw.text(
            (x, y),
            letters,
            fill=light,
            font=font,
            anchor=anchor,
            stroke_width=max(size // 12, 1),
            stroke_fill=dark,
        )
    return picture


def _edges(header: Header) -> dict[str, str]:
    """The letters at the edges of what is shown: a region may be turned over."""
    edges = dict(header["edges"] or {})
    _, _, across, down = header["region"] or (0, 0, 1, 1)
    if edges and across < 0:
        edges["left"], edges["right"] = edges["right"], edges["left"]
    if edges and down < 0:
        edges["top"], edges["bottom"] = edges["bottom"], edges["top"]
    return edges


def _overlay(plane: Header, raw: Array | None) -> Image.Image | None:
    """An overlay plane as a mask, with the offset where it lies."""
    rows, columns = plane["rows"], plane["columns"]
    if not 0 < rows * columns <= limits.RENDERED_PIXELS_MAX:
        return None
    data = base64.b64decode(plane["data"] or "")
    if data:
        count = rows * columns
        first = max(plane["frame"], 0) * count
        if len(data) * 8 < first + count:
            return None
        packed = np.frombuffer(data, np.uint8, -(-(first % 8 + count) // 8), first // 8)
        bits = np.unpackbits(packed, bitorder="little")[first % 8 : first % 8 + count].reshape(rows, columns)
    elif plane["bit"] and raw is not None and raw.ndim == 2:
        # Retired, but in old archives: a bit of each pixel above those of the image (PS3.3-2004 C.9.2).
        bits = (raw >> plane["bit"] & 1).astype(np.uint8)
    else:
        return None
    mask = Image.fromarray(bits * 255, "L")
    mask.info["origin"] = (plane["origin"][-1] - 1, plane["origin"][0] - 1)
    return mask


def _lay_over(picture: Image.Image, mask: Image.Image | None) -> None:
    if mask is not None:
        picture.paste(255 if picture.mode == "L" else (255, 255, 255), mask.info["origin"], mask)


def _grey(header: Header, frame: Array) -> npt.NDArray[np.uint8]:
    if header["bits_allocated"] == 1:
        return (frame * 255).astype(np.uint8)
    signed = bool(header["pixel_representation"])
    around = _padded(header, frame)
    if header["modality_lut"]:
        table, first, _ = _lut(header["modality_lut"], signed=signed)
        values = table[np.clip(frame.astype(np.int64) - first, 0, len(table) - 1)].astype(np.float32)
    else:
        # A double may lie beyond what 32 bits hold.
        values = frame.astype(np.float64 if header["float_bytes"] == 8 else np.float32)
        if header["slope"] or header["intercept"]:
            values = values * (header["slope"] or 1.0) + (header["intercept"] or 0.0)
    window, function = header["window"], header["function"]
    if window is None and header["window_width"] and header["window_width"] > 0:
        window = (header["window_center"] or 0.0, header["window_width"])
    if function is None:
        function = str(header["voi_function"] or "LINEAR").strip().lower().replace("_", "-")
    if window is None and header["voi_lut"]:
        table, first, _ = _lut(header["voi_lut"], signed=signed or float(values.min(initial=0)) < 0)
        # The number of bits told is often wrong: what the table reaches is white.
        full = max(float(table.max()), 1.0)
        scaled = table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)] / full
    else:
        scaled = _windowed(values, window or _whole(values, around), function if window else "linear")
    if header["modality_lut"] and around is not None:
        scaled = np.where(
            around, 1.0 if header["inverse"] else 0.0, scaled
        )  # black, whatever the table makes of it
    return np.asarray(np.clip(np.nan_to_num(scaled), 0, 1) * 255 + 0.5, np.uint8)


def _padded(header: Header, frame: Array) -> npt.NDArray[np.bool_] | None:
    """Where the picture is padded around; None: nowhere."""
    if header["padding"] is None:
        return None
    least, most = header["padding"]
    around = (frame >= least) & (frame <= most)
    return around if around.any() else None


def _whole(values: Array, around: npt.NDArray[np.bool_] | None) -> tuple[float, float]:
    """The window of a picture that tells none, as in the viewer: from its least value to its greatest, padding left out."""
    inside = values if around is None else values[~around]
    finite = inside[np.isfinite(inside)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low + high + 1) / 2, high - low + 1


def _windowed(values: Array, window: Sequence[float], function: str) -> Array:
    """Values from 0 (black) to 1 by PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    centre, width = float(window[0]), float(window[1])
    if function == "sigmoid":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / max(width, 1e-6), -80, 80))))
    if function == "linear-exact":
        return np.asarray((values - (centre - width / 2)) / max(width, 1e-6))
    if width > 1:
        return np.asarray((values - (centre - 0.5 - (width - 1) / 2)) / (width - 1))
    return np.asarray((values - (centre - 0.5)) / 1e-6)


def _lut(lut: Header, *, signed: bool) -> tuple[Array, int, int]:
    """(table, first value mapped, bits). Of the descriptor only the first value mapped can be negative (PS3.3 C.11.1.1)."""
    count, first, bits = (int(one) for one in lut["descriptor"])
    count = (count & 0xFFFF) or 65536
    first &= 0xFFFF
    if signed and first > 0x7FFF:
        first -= 0x10000
    data = base64.b64decode(lut["data"])
    wide = len(data) >= 2 * count
    table = np.frombuffer(data[: len(data) // 2 * 2] if wide else data, "<u2" if wide else np.uint8)[:count]
    if not table.size:
        raise Undecodable("a lookup table has no data")
    return table, first, bits & 0xFFFF


def _colour(header: Header, frame: Array, photometric: str) -> npt.NDArray[np.uint8]:
    if frame.dtype.itemsize > 1:
        frame = frame >> max((header["bits_stored"] or 8 * frame.dtype.itemsize) - 8, 0)
    pixels = np.ascontiguousarray(frame[:, :, :3].astype(np.uint8))
    number = header["transfer_syntax_uid"].removeprefix(_JPEG)
    # Decoders of baseline JPEG give RGB whatever the stream holds, and those of JPEG 2000 undo its own transformations.
    if not photometric.startswith("YBR") or number in ("50", "51") or photometric in ("YBR_RCT", "YBR_ICT"):
        return pixels
    if photometric.startswith("YBR_PARTIAL"):
        spread = pixels.astype(np.float32)
        spread[:, :, 0] = (spread[:, :, 0] - 16) * (255 / 219)
        spread[:, :, 1:] = (spread[:, :, 1:] - 128) * (255 / 224) + 128
        pixels = np.clip(spread + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels, "YCbCr").convert("RGB"))


def _palette(header: Header, frame: Array) -> npt.NDArray[np.uint8]:
    channels: list[Array] = []
    for table in header["palette"]:
        if len(table["descriptor"]) != 3:
            raise Undecodable("its palette has no descriptor")
        entries, first, bits = (int(value) for value in table["descriptor"])
        entries = (entries & 0xFFFF) or 65536  # zero means 2^16 (PS3.3 C.7.6.3.1.5)
        bits &= 0xFFFF
        data = base64.b64decode(table["data"])
        # Some writers say 16 bits for 8-bit tables and the other way round: the length decides.
        lut = np.frombuffer(data, "<u2" if len(data) >= 2 * entries else np.uint8)[:entries]
        if not lut.size:
            raise Undecodable("its palette has no data")
        if lut.dtype.itemsize == 2 and (bits > 8 or int(lut.max()) > 255):
            lut = lut >> 8
        index = np.clip(frame.astype(np.int64) - first, 0, len(lut) - 1)
        channels.append(lut[index].astype(np.uint8))
    return np.ascontiguousarray(np.stack(channels, axis=-1))


if __name__ == "__main__":
    main()
