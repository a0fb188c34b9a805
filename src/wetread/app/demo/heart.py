"""A heart of the demo hospital as twelve leads see it: one dipole that turns, beat by beat (PS3.3 A.34.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from wetread.app.demo.field import Array
from wetread.app.demo.objects import Device, Item, Picture, SeriesHead, Visit, code, document, number_text

TWELVE_LEAD_ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
ECG_DEVICE = Device("CardioPhantom 12", "ECG-0001")
FREQUENCY_HZ = 500
SECONDS = 10
_MICROVOLTS_A_STEP = 2.5

# Of each wave: seconds from the beat, width in seconds, and millivolts to the left, to the feet and to the front.
_WAVES = (
    (-0.165, 0.022, (0.07, 0.11, 0.03)),
    (-0.026, 0.008, (-0.12, -0.05, 0.14)),
    (0.000, 0.011, (0.85, 1.00, -0.40)),
    (0.028, 0.011, (-0.22, -0.18, -0.55)),
    (0.270, 0.048, (0.22, 0.24, 0.12)),
)
# SCP-ECG's numbers of leads, and from where each looks at the dipole.
_CHEST = {
    "V1": ("3", (-0.30, 0.05, 1.00)),
    "V2": ("4", (0.10, 0.05, 1.35)),
    "V3": ("5", (0.60, 0.10, 1.10)),
    "V4": ("6", (1.15, 0.20, 0.60)),
    "V5": ("7", (1.20, 0.20, 0.10)),
    "V6": ("8", (1.05, 0.20, -0.20)),
}
_LIMBS = {"I": "1", "II": "2", "III": "61", "aVR": "62", "aVL": "63", "aVF": "64"}


def electrocardiogram(visit: Visit, *, seed: int) -> Picture:
    """Ten seconds of sinus rhythm at rest, with what the device says of it."""
    rng = np.random.default_rng([seed, 77])
    beats, interval = _beats(rng)
    leads = _leads(rng, beats)
    samples = np.stack([np.rint(curve * (1000 / _MICROVOLTS_A_STEP)) for curve in leads.values()], axis=1)
    numbers = _LIMBS | {name: number for name, (number, _) in _CHEST.items()}
    group: Item = {
        "WaveformOriginality": "ORIGINAL",
        "NumberOfWaveformChannels": len(numbers),
        "NumberOfWaveformSamples": FREQUENCY_HZ * SECONDS,
        "SamplingFrequency": str(FREQUENCY_HZ),
        "MultiplexGroupLabel": "RHYTHM",
        "ChannelDefinitionSequence": [_channel(name, number) for name, number in numbers.items()],
        "WaveformBitsAllocated": 16,
        "WaveformSampleInterpretation": "SS",
        "WaveformData": samples.astype("<i2").tobytes(),
    }
    at = visit.taken_at
    attributes: dict[str, Any] = {
        "AcquisitionDateTime": at.strftime("%Y%m%d%H%M%S"),
        "AcquisitionContextSequence": [],
        "WaveformSequence": [group],
        "WaveformAnnotationSequence": _annotations(beats, interval),
    }
    return document(visit, SeriesHead("ECG", 101, "ECG at rest", "", ECG_DEVICE), TWELVE_LEAD_ECG, attributes)


def _beats(rng: np.random.Generator) -> tuple[list[float], float]:
    """When the heart beats, with the sway of breathing, and the mean interval."""
    interval = 0.80 + 0.12 * float(rng.random())
    times = [0.35]
    while times[-1] < SECONDS + 1:
        sway = 1 + 0.025 * float(np.sin(1.6 * times[-1]))
        times.append(times[-1] + interval * sway + 0.004 * float(rng.standard_normal()))
    return times, interval


def _leads(rng: np.random.Generator, beats: list[float]) -> dict[str, Array]:
    """Millivolts of each lead, those of the limbs before those of the chest."""
    seconds = np.arange(FREQUENCY_HZ * SECONDS) / FREQUENCY_HZ
    dipole = np.zeros((3, len(seconds)))
    for beat in beats:
        for after, width, strength in _WAVES:
            wave = np.exp(-0.5 * ((seconds - beat - after) / width) ** 2)
            dipole += np.array(strength)[:, None] * wave
    electrodes = 0.006 * rng.standard_normal((8, len(seconds)))
    first = dipole[0] + electrodes[0] + 0.02 * np.sin(1.6 * seconds)
    second = 0.5 * dipole[0] + 0.87 * dipole[1] + electrodes[1]
    limbs = (first, second, second - first, -(first + second) / 2, first - second / 2, second - first / 2)
    chest = (np.array(place) @ dipole + electrodes[2 + at] for at, (_, place) in enumerate(_CHEST.values()))
    curves = (np.asarray(curve, dtype=np.float32) for curve in (*limbs, *chest))
    return dict(zip((*_LIMBS, *_CHEST), curves, strict=True))


def _scp(value: str, meaning: str) -> Item:
    return {**code(value, meaning, "SCPECG"), "CodingSchemeVersion": "1.3"}


def _channel(name: str, number: str) -> Item:
    return {
        "ChannelLabel": name,
        "ChannelSourceSequence": [_scp(f"5.6.3-9-{number}", f"Lead {name}")],
        "ChannelSensitivity": number_text(_MICROVOLTS_A_STEP),
        "ChannelSensitivityUnitsSequence": [code("uV", "microvolt", "UCUM")],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": "0",
        "ChannelSampleSkew": "0",
        "WaveformBitsStored": 16,
        "FilterLowFrequency": "0.05",
        "FilterHighFrequency": "150",
    }


def _annotations(beats: list[float], interval: float) -> list[Item]:
    everywhere: Item = {"ReferencedWaveformChannels": [1, 0], "AnnotationGroupNumber": 1}
    measured = (
        ("8867-4", "Heart rate", 60 / interval, "/min", "beats per minute"),
        ("8625-6", "PR interval", 158.0, "ms", "millisecond"),
        ("8633-0", "QRS duration", 88.0, "ms", "millisecond"),
        ("8634-8", "QT interval", 384.0, "ms", "millisecond"),
    )
    statements = ("Sinus rhythm", "Normal ECG. Not confirmed by a physician")
    return [
        *({**everywhere, "UnformattedTextValue": words} for words in statements),
        *(
            {
                **everywhere,
                "ConceptNameCodeSequence": [code(number, words, "LN")],
                "NumericValue": number_text(round(value)),
                "MeasurementUnitsCodeSequence": [code(unit, meaning, "UCUM")],
            }
            for number, words, value, unit, meaning in measured
        ),
        *(
            {
                **everywhere,
                "AnnotationGroupNumber": 2,
                "ConceptNameCodeSequence": [_scp("5.7.1-3", "Fiducial Point")],
                "TemporalRangeType": "POINT",
                "ReferencedSamplePositions": [1 + round(beat * FREQUENCY_HZ)],
            }
            for beat in beats
            if beat < SECONDS
        ),
    ]
