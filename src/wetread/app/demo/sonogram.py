"""Ultrasound of the upper abdomen: speckle in a convex sector, shadows behind stones, a cine loop that breathes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wetread.app.demo.field import Array, smooth_noise
from wetread.app.demo.objects import US_IMAGE, US_MULTI_FRAME, Device, Picture, SeriesHead, Visit, picture

DEVICE = Device("Phantom Sono C5", "US-5150")
ROWS, COLUMNS = 600, 800
DEPTH_MM, RADIUS_MM, HALF_ANGLE = 160.0, 50.0, np.deg2rad(33.0)
MM_PER_PIXEL = 0.30
TOP_ROW = 34
LINES, SAMPLES = 256, 640

Scene = Literal["liver", "gallbladder", "kidney-right", "spleen", "aorta"]
SCENES: tuple[Scene, ...] = ("liver", "gallbladder", "kidney-right", "spleen", "aorta")


_SCENE_OF: dict[str, Scene] = {
    "stones": "gallbladder",
    "hydronephrosis": "kidney-right",
    "aneurysm": "aorta",
    "ectasia": "aorta",
}


def _polar() -> tuple[Array, Array]:
    """x (to the right of the picture) and depth in mm of every sample of every line."""
    angle = np.linspace(-HALF_ANGLE, HALF_ANGLE, LINES, dtype=np.float32)[:, None]
    r = RADIUS_MM + np.linspace(0, DEPTH_MM, SAMPLES, dtype=np.float32)[None, :]
    return r * np.sin(angle), r * np.cos(angle) - RADIUS_MM


def _blob(
    x: Array,
    y: Array,
    at: tuple[float, float],
    radii: tuple[float, float],
    turn: float,
    rough: Array | float = 0.0,
) -> Array:
    """Signed distance (about) to a turned ellipse."""
    a = np.deg2rad(turn)
    u = (x - at[0]) * np.cos(a) + (y - at[1]) * np.sin(a)
    v = -(x - at[0]) * np.sin(a) + (y - at[1]) * np.cos(a)
    distance: Array = (np.hypot(u / radii[0], v / radii[1]) - 1) * min(radii) + rough
    return distance


def _inside(distance: Array, edge: float = 1.2) -> Array:
    return np.clip(0.5 - distance / np.float32(edge), 0, 1)


def _echo(scene: Scene, breath: float, rng: np.random.Generator, finding: str | None) -> tuple[Array, Array]:
    """(mean echo 0..1.5, attenuation of what lies before) over the polar grid."""
    x, y = _polar()
    y = y + np.float32(breath)
    shape = x.shape
    bend = smooth_noise(rng, shape, (60, 90)) * 2.0
    echo = np.full(shape, 0.30, dtype=np.float32)
    shade = np.zeros(shape, dtype=np.float32)
    # skin, fat and muscle under the probe
    wall = _polar()[1]
    layers = np.clip((18 - wall) / 4, 0, 1)
    echo += layers * (0.14 + 0.22 * (np.sin(wall * 1.5 + bend) > 0.2))
    fatty = 1.35 if finding == "steatosis" else 1.0

    def fill(distance: Array, value: float, edge: float = 1.2) -> None:
        inside = _inside(distance, edge)
        np.add(echo, inside * (value - echo), out=echo)

    def rim(distance: Array, value: float, width: float = 1.0) -> None:
        np.add(echo, np.clip(1 - np.abs(distance) / width, 0, 1) * np.float32(value), out=echo)

    def hollow(
        at: tuple[float, float], radii: tuple[float, float], turn: float, bright: float = 0.35
    ) -> Array:
        d = _blob(x, y, at, radii, turn, bend * 0.25)
        rim(d, bright)
        fill(d, 0.015, 0.8)
        return d

    if scene in ("liver", "gallbladder", "kidney-right"):
        liver = _blob(x, y, (-6, 66), (88, 52), 6, bend)
        fill(liver, 0.42 * fatty, 2)
        rim(_blob(x, y, (0, 122), (140, 8), -4, bend), 0.7, 2.2)  # diaphragm
        for place, radii, turn in (((-30, 48), (18, 2.0), 24), ((14, 72), (22, 2.6), -30), ((-8, 90), (14, 1.8), 10),
                                ((34, 52), (13, 1.7), 48), ((-46, 78), (12, 1.7), -20)):  # fmt: skip
            hollow(place, radii, turn, 0.30 if turn > 0 else 0.06)
    if scene == "liver":
        hollow((2, 104), (24, 7.5), -6, 0.1)  # inferior vena cava
        if finding == "cyst":
            d = hollow((-26, 66), (11, 10), 0, 0.2)
            _enhance(shade, d, -0.5)
        if finding == "haemangioma":
            fill(_blob(x, y, (24, 70), (9, 8), 0, bend * 0.3), 1.0, 1.6)
    elif scene == "gallbladder":
        d = hollow((8, 62), (30, 12), 32, 0.5)
        _enhance(shade, d, -0.45)
        if finding == "stones":
            for spot, size in (((22.0, 74.0), 4.6), ((28.0, 77.0), 3.4), ((14.0, 69.5), 2.4)):
                stone = _blob(x, y, spot, (size, size * 0.85), 10)
                fill(np.maximum(stone, (y - spot[1]) - size * 0.15), 1.5)
                _shadow(shade, _inside(stone), 3.0)
    elif scene == "kidney-right":
        fill(_blob(x, y, (18, 76), (52, 27), 16, bend * 0.6), 0.95, 2.0)
        fill(_blob(x, y, (18, 76), (50, 25), 16, bend * 0.6), 0.27, 1.4)
        for n in range(7):
            t = n / 6 - 0.5
            fill(_blob(x, y, (18 + t * 64, 76 + t * 18 + (5 if n % 2 else -9)), (6, 5), 16), 0.13, 2)
        sinus = _blob(x, y, (20, 78), (30, 9), 16, bend * 1.4)
        fill(sinus, 0.9, 3)
        if finding == "hydronephrosis":
            d = hollow((22, 79), (22, 7.5), 16, 0.2)
            _enhance(shade, d, -0.35)
    elif scene == "spleen":
        fill(_blob(x, y, (4, 70), (58, 30), -10, bend), 0.46, 1.6)
        rim(_blob(x, y, (4, 70), (58, 30), -10, bend), 0.35, 1.2)
        rim(_blob(x, y, (10, 112), (120, 9), 6, bend), 0.6, 2)
        hollow((30, 84), (10, 2.2), 20, 0.1)
    elif scene == "aorta":
        fill(_blob(x, y, (-20, 48), (74, 30), 4, bend), 0.40, 2)
        r = {"aneurysm": 22.0, "ectasia": 18.0}.get(finding or "", 9.5)
        d = hollow((4, 92), (r, r * 0.96), 0, 0.5)
        if finding == "aneurysm":
            fill(np.maximum(d, -_blob(x, y, (7, 91), (13, 14), 0)), 0.3)
            hollow((7, 91), (13, 14), 0, 0.15)
        hollow((-27, 90), (11, 7), 8, 0.15)
        bone = _blob(x, y, (2, 128), (34, 14), 0, bend)
        rim(bone, 1.2, 1.6)
        _shadow(shade, _inside(bone), 0.9)
        fill(_blob(x, y, (2, 60), (36, 9), -6, bend), 0.62, 3)  # pancreas
        hollow((-8, 68), (17, 3.0), -4, 0.1)  # splenic vein
    if scene in ("liver", "spleen"):
        rib = np.exp(-(((_polar()[0] + (52 if scene == "liver" else -54)) / 7) ** 2)) * (wall > 14)
        shade += rib * 1.8
    return echo, shade


def _shadow(shade: Array, mask: Array, strength: float) -> None:
    """Behind `mask` it is darker."""
    shade += np.clip(np.cumsum(mask, axis=1) / 10, 0, 1) * np.float32(strength)


def _enhance(shade: Array, distance: Array, strength: float) -> None:
    """Behind fluid it is brighter."""
    behind = np.clip(np.cumsum(_inside(distance), axis=1) / 60, 0, 1)
    behind = ndimage.gaussian_filter1d(behind, 2.5, axis=0)
    shade += behind * np.float32(strength) * (distance > 0)


def _scatter(rng: np.random.Generator) -> NDArray[np.complex64]:
    """The reflectors of the tissue: the same from frame to frame, so that speckle moves with it."""
    real, imaginary = rng.standard_normal((2, LINES + 64, SAMPLES + 128), dtype=np.float32)
    result: NDArray[np.complex64] = (real + 1j * imaginary).astype(np.complex64)
    return result


def _frame(
    scene: Scene, breath: float, seed: int, scatter: NDArray[np.complex64], finding: str | None
) -> NDArray[np.uint8]:
    rng = np.random.default_rng([seed, 61])
    echo, shade = _echo(scene, breath, rng, finding)
    shift = breath / (DEPTH_MM / SAMPLES)
    whole = int(np.floor(shift))
    moved = scatter[32 : 32 + LINES, 64 + whole : 64 + whole + SAMPLES] * np.maximum(
        echo, 0.004
    ) ** np.float32(0.95)
    # the beam is wider than it is long, and widest away from the focus
    spread = [ndimage.gaussian_filter(part, (1.5, 1.15)) for part in (moved.real, moved.imag)]
    amplitude = np.hypot(spread[0], spread[1])
    depth = np.linspace(0, 1, SAMPLES, dtype=np.float32)[None, :]
    gain = (
        np.exp(-np.clip(shade, -1, 4))
        * (1 - 0.32 * depth**2)
        * (0.86 + 0.3 * np.exp(-(((depth - 0.45) / 0.3) ** 2)))
    )
    signal = amplitude * gain
    signal += np.abs(
        np.random.default_rng([seed, int(breath * 100) & 0xFFFF]).normal(0, 0.003, signal.shape)
    ) * (0.4 + depth)
    levels = 20 * np.log10(signal + 1e-4)
    shown = np.clip((levels + 50) / 48, 0, 1) ** 1.3 * 255
    return _scan_converted(shown.astype(np.float32))


def _scan_converted(lines: Array) -> NDArray[np.uint8]:
    column, row = np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
    x = (column - COLUMNS / 2) * MM_PER_PIXEL
    y = (row - TOP_ROW) * MM_PER_PIXEL + RADIUS_MM * np.float32(np.cos(HALF_ANGLE))
    r, angle = np.hypot(x, y), np.arctan2(x, y)
    line = (angle + HALF_ANGLE) / (2 * HALF_ANGLE) * (LINES - 1)
    sample = (r - RADIUS_MM) / DEPTH_MM * (SAMPLES - 1)
    values = ndimage.map_coordinates(lines, np.stack([line, sample]), order=1, cval=0.0)
    outside = (np.abs(angle) > HALF_ANGLE) | (r < RADIUS_MM) | (r > RADIUS_MM + DEPTH_MM)
    values[outside] = 0
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def _calibrated() -> dict[str, Any]:
    """US Region Calibration (PS3.3 C.8.5.5): one 2D tissue region."""
    item = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 2,
        "RegionLocationMinX0": 0,
        "RegionLocationMinY0": 0,
        "RegionLocationMaxX1": COLUMNS - 1,
        "RegionLocationMaxY1": ROWS - 1,
        "ReferencePixelX0": COLUMNS // 2,
        "ReferencePixelY0": TOP_ROW,
        "ReferencePixelPhysicalValueX": 0.0,
        "ReferencePixelPhysicalValueY": 0.0,
        "PhysicalUnitsXDirection": 3,  # cm
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": MM_PER_PIXEL / 10,
        "PhysicalDeltaY": MM_PER_PIXEL / 10,
        "TransducerFrequency": 3500,
    }
    return {"SequenceOfUltrasoundRegions": [item], "BurnedInAnnotation": "NO", "LossyImageCompression": "00"}


def _coloured(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cool tint that many machines show grey images in."""
    tint = np.array([0.96, 0.985, 1.0], dtype=np.float32)
    return np.asarray(np.clip(grey[..., None] * tint, 0, 255), dtype=np.uint8)


def abdomen(visit: Visit, *, seed: int, finding: str | None = None, cine_frames: int = 16) -> list[Picture]:
    """Stills of five organs, and a loop of the liver (or what was found) that moves with a breath."""
    rng = np.random.default_rng([seed, 60])
    scatter = _scatter(rng)
    head = SeriesHead("US", 1, "Abdomen", "ABDOMEN", DEVICE, "Abdomen")
    head.attributes = {**_calibrated(), "TransducerData": ["C5-1", "", ""], "PatientOrientation": ""}
    found = []
    for number, scene in enumerate(SCENES, 1):
        grey = _frame(scene, 0.0, seed, scatter, finding)
        found.append(
            picture(
                visit,
                head,
                US_IMAGE,
                number,
                _coloured(grey),
                {
                    "ImageType": ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"],
                    "UltrasoundColorDataPresent": 0,
                    "ImageComments": scene.replace("-", " "),
                },
                offset_s=35.0 * number,
            )
        )
    if cine_frames:
        scene = _SCENE_OF.get(finding or "", "liver")
        breaths = 6.0 * np.sin(np.linspace(0, 2 * np.pi, cine_frames, endpoint=False))
        frames = np.stack([_frame(scene, float(b), seed, scatter, finding) for b in breaths])
        loop = SeriesHead("US", 2, "Abdomen, loop", "ABDOMEN", DEVICE, "Abdomen")
        loop.attributes = {**head.attributes}
        found.append(
            picture(
                visit,
                loop,
                US_MULTI_FRAME,
                1,
                frames,
                {
                    "ImageType": ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"],
                    "UltrasoundColorDataPresent": 0,
                    "FrameTime": "66.67",
                    "FrameIncrementPointer": 0x00181063,
                    "CineRate": "15",
                    "RecommendedDisplayFrameRate": "15",
                },
                offset_s=240.0,
            )
        )
    return found
