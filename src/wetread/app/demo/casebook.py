"""The cases of the demo hospital: who had what done when, what it looks like, and what was said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from wetread.app.demo.acquire import Recipe

STAT_PATIENT = 1
"""Patient number of the 3 AM case (`wetread demo stat`), whose earlier head CT is archived."""
STAT_SEED = 12

Sections = Mapping[str, str]
Ending = Literal[
    "requested",
    "scheduled",
    "arrived",
    "ready",
    "started",
    "completed",
    "no-show",
    "cancelled",
    "discontinued",
]
Signed = Literal["draft", "preliminary", "final"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, how far it got, and how long after the last image."""

    kind: Signed
    findings: str
    impression: str
    after: timedelta = timedelta(minutes=42)
    comparison: str = ""
    technique: str = ""
    addendum: str | None = None
    key: tuple[int, int, str] | None = None
    """Series number, instance number and note of a key image."""


@dataclass(frozen=True, slots=True)
class Case:
    """One order and what became of it. `ago` is when the images were (or will be: negative) begun."""

    key: str
    patient: int
    procedure: str
    site: Literal["NORTH", "RIVER"]
    ago: timedelta
    ending: Ending
    reason: str
    diagnosis: str | None
    priority: Literal["STAT", "HIGH", "ROUTINE"] = "ROUTINE"
    laterality: Literal["L", "R"] | None = None
    referrer: int = 0
    recipe: Recipe | None = None
    report: Report | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


def _t(days: float = 0, hours: float = 0, minutes: float = 0) -> timedelta:
    return timedelta(days=days, hours=hours, minutes=minutes)


# Seeds are people: the same seed is the same head or trunk, so that earlier and later studies can be compared.
_HEAD, _TRUNK, _MS, _MENINGIOMA = 11, 31, 21, 22

# --- what waits to be read, most urgent first ---------------------------------------------------------------

_UNREAD = (
    Case("u-ich", 2, "CTHEAD", "NORTH", _t(minutes=9), "completed", "Found on the floor, left-sided weakness, on warfarin",
         "R29.818", "STAT", referrer=1, recipe=Recipe("ct-head", STAT_SEED, {"finding": "haemorrhage"})),
    Case("u-stone", 10, "CTABDPEL", "NORTH", _t(minutes=16), "started", "Colicky left flank pain, haematuria", "R10.9", "STAT",
         referrer=2, recipe=Recipe("ct-abdomen", _TRUNK, {"lesions": {"kidney-stone": 1.0}})),
    Case("u-pneumonia", 4, "XRCHEST", "NORTH", _t(minutes=31), "completed", "Fever and productive cough for five days",
         "R05.1", "HIGH", recipe=Recipe("xr-chest", _TRUNK, {"lesions": {"pneumonia": 1.0}})),
    Case("u-mass", 3, "CTCHEST", "NORTH", _t(minutes=58), "completed", "Weight loss, known lesion of the left upper lobe",
         "R91.8", "HIGH", recipe=Recipe("ct-chest", _TRUNK, {"lesions": {"mass": 1.0, "effusion": 0.7}, "outside": True})),
    Case("u-hand", 9, "XRHAND", "RIVER", _t(minutes=74), "completed", "Punched a wall, pain over the fifth metacarpal",
         "S69.92XA", "HIGH", "L", 3, recipe=Recipe("xr-hand", 5, {"side": "L", "finding": "fracture"})),
    Case("u-ms", 5, "MRHEAD", "RIVER", _t(hours=2, minutes=5), "completed", "Multiple sclerosis, follow-up under treatment",
         "G35.A", recipe=Recipe("mr-head", _MS, {"lesions": 17})),
    Case("u-knee", 6, "XRKNEE", "NORTH", _t(hours=3, minutes=10), "completed", "Increasing pain in the right knee on stairs",
         "M25.561", laterality="R", referrer=2,
         recipe=Recipe("xr-knee", 7, {"side": "R", "finding": "osteoarthritis"})),
    Case("u-breast", 7, "MGSCREEN", "RIVER", _t(hours=4), "completed", "Screening", "Z12.31", referrer=0,
         recipe=Recipe("mg-screening", 8, {"finding": "mass", "side": "L", "composition": "b", "size": 1.15})),
    Case("u-gallstones", 8, "USABD", "NORTH", _t(hours=5, minutes=20), "completed", "Pain in the right upper abdomen after meals",
         "R10.11", referrer=3, recipe=Recipe("us-abdomen", 9, {"finding": "stones"})),
    Case("u-effusion", 11, "XRCHEST", "NORTH", _t(hours=21), "completed", "Shortness of breath, heart failure", "R06.02",
         referrer=1, recipe=Recipe("xr-chest", _TRUNK, {"lesions": {"effusion": 1.0}})),
)  # fmt: skip

# --- being written ------------------------------------------------------------------------------------------

_WRITING = (
    Case("d-meningioma", 13, "MRHEAD", "NORTH", _t(hours=1, minutes=50), "completed", "New focal seizure, right face and hand",
         "G40.109", "HIGH", referrer=1, recipe=Recipe("mr-head", _MENINGIOMA, {"finding": "meningioma", "contrast": True}),
         report=Report("draft",
            "Extra-axial mass over the left frontal convexity, about 3 cm, broad dural base, smooth margin, slightly bright on "
            "FLAIR, evenly enhancing.\nMild mass effect on the adjacent gyri, no midline shift.\nVentricles: normal size.\n"
            "Sinuses and mastoids: clear.", "", _t(minutes=35))),
    Case("d-liver", 14, "USABD", "RIVER", _t(hours=2, minutes=40), "completed", "Raised transaminases", "R74.01", referrer=0,
         recipe=Recipe("us-abdomen", 10, {"finding": "steatosis"}),
         report=Report("draft", "Liver: echogenic, far field attenuated, smooth contour, no focal lesion.\n"
            "Gallbladder: no stones, wall not thickened.", "", _t(minutes=50))),
    Case("p-infarct", 12, "CTHEAD", "NORTH", _t(hours=7, minutes=25), "completed", "Aphasia and right arm weakness since waking",
         "R47.01", "STAT", referrer=2, recipe=Recipe("ct-head", _HEAD, {"finding": "infarct", "bone": False}),
         report=Report("preliminary",
            "Haemorrhage: none.\nLoss of grey-white differentiation in the left middle cerebral artery territory, insula and "
            "frontoparietal cortex; ASPECTS 6.\nHyperdense left middle cerebral artery.\n"
            "Mass effect and midline: sulcal effacement, no shift.\nBone: no fracture.",
            "Early infarct of the left middle cerebral artery territory with a hyperdense artery. No haemorrhage. "
            "Stroke team called by telephone.", _t(minutes=14), key=(2, 18, "Lost grey-white border"))),
    Case("p-emphysema", 15, "XRCHEST", "NORTH", _t(hours=6, minutes=5), "completed", "Exacerbation of COPD", "J44.1", "HIGH",
         referrer=3, recipe=Recipe("xr-chest", _TRUNK, {"lesions": {"nodule": 2.0}}),
         report=Report("preliminary",
            "Lungs: rounded opacity of about 2 cm in the right upper zone, not seen on a film before. No consolidation.\n"
            "Pleura: no effusion.\nHeart and mediastinum: normal contours.\nBones: no acute finding.",
            "Opacity in the right upper zone; CT of the chest is advised. No pneumonia.", _t(minutes=40))),
)  # fmt: skip

# --- read in the last two weeks -----------------------------------------------------------------------------

_NORMAL_HEAD = (
    "Haemorrhage: none.\nEarly ischaemic change: none. ASPECTS 10.\nVessels: no hyperdense vessel.\n"
    "Mass effect and midline: no shift.\nVentricles and cisterns: normal size, no effacement.\nBone: no fracture."
)
_NORMAL_CHEST = "Lungs and pleura: clear.\nHeart and mediastinum: normal contours.\nBones: no acute finding."
_READ = (
    Case("f-head", 16, "CTHEAD", "NORTH", _t(hours=3, minutes=35), "completed", "Fall from a bicycle, brief loss of consciousness",
         "S09.90XA", "HIGH", recipe=Recipe("ct-head", _HEAD, {"mirror": True, "scale": 0.96}),
         report=Report("final", _NORMAL_HEAD, "No intracranial haemorrhage, no fracture.", _t(minutes=27),
                       key=(2, 17, "No haemorrhage"))),
    Case("f-knee", 17, "XRKNEE", "NORTH", _t(hours=4, minutes=50), "completed", "Twisted the left knee at football", "S89.92XA",
         laterality="L", referrer=2, recipe=Recipe("xr-knee", 14, {"side": "L", "finding": "effusion"}),
         report=Report("final", "Bones: no fracture, normal alignment.\nJoint spaces: preserved.\n"
            "Soft tissues: effusion in the suprapatellar pouch.",
            "Joint effusion of the left knee without a fracture; internal derangement cannot be excluded.", _t(minutes=55))),
    Case("f-chest", 18, "XRCHEST", "NORTH", _t(hours=6, minutes=40), "completed", "Before hip replacement", "Z01.811",
         recipe=Recipe("xr-chest", _TRUNK, {"ecg": True}),
         report=Report("final", _NORMAL_CHEST, "Normal chest.", _t(hours=1, minutes=31))),
    Case("f-cysts", 19, "CTABDPEL", "NORTH", _t(days=1, hours=1), "completed", "Follow-up of liver lesions", "K76.89",
         recipe=Recipe("ct-abdomen", _TRUNK, {"lesions": {"liver-cysts": 1.0}}),
         report=Report("final",
            "Liver: three sharply bounded lesions of water density, the largest 3 cm in segment VIII; no solid lesion.\n"
            "Gallbladder, bile ducts: normal.\nPancreas, spleen, adrenals: normal.\nKidneys: no stone, no hydronephrosis.\n"
            "Bowel: no obstruction.\nBones: no destructive lesion.",
            "Simple hepatic cysts. No follow-up needed.", _t(hours=2, minutes=12),
            addendum="Compared with outside images of 2021, received after signing: the cysts are unchanged.",
            key=(2, 13, "Largest cyst"))),
    Case("f-us", 20, "USABD", "RIVER", _t(days=1, hours=3), "completed", "Abdominal pain", "R10.9", referrer=3,
         recipe=Recipe("us-abdomen", 15),
         report=Report("final", "Liver: normal size and echogenicity.\nGallbladder: no stones.\nBile ducts: not dilated.\n"
            "Pancreas: as far as seen, normal.\nSpleen: normal.\nKidneys: no hydronephrosis.\nAscites: none.",
            "Normal ultrasound of the abdomen.", _t(minutes=48))),
    Case("f-breast", 21, "MGSCREEN", "RIVER", _t(days=2, hours=2), "completed", "Screening", "Z12.31",
         recipe=Recipe("mg-screening", 16, {"composition": "c"}),
         report=Report("final", "Breast composition: c, heterogeneously dense.\n"
            "RIGHT: no mass, no suspicious calcification, no distortion.\n"
            "LEFT: no mass, no suspicious calcification, no distortion.\nAxillae: unremarkable.",
            "BI-RADS 1, negative, both sides. Routine screening.", _t(hours=5))),
    Case("f-hand", 22, "XRHAND", "RIVER", _t(days=2, hours=5), "completed", "Six weeks after fracture of the fifth metacarpal",
         "S62.366D", laterality="R", recipe=Recipe("xr-hand", 17, {"side": "R", "finding": "healing"}),
         report=Report("final", "Bones: callus bridges the fracture of the neck of the fifth metacarpal, alignment unchanged.\n"
            "Joint spaces: preserved.\nSoft tissues: no swelling.",
            "Healing fracture of the right fifth metacarpal.", _t(hours=1, minutes=15),
            comparison="Radiograph of six weeks ago: the fracture line is no longer seen.")),
    Case("f-lungs", 23, "CTCHEST", "NORTH", _t(days=3, hours=4), "completed", "COPD, opacity on a radiograph", "R91.1", referrer=1,
         recipe=Recipe("ct-chest", _TRUNK, {"lesions": {"emphysema": 1.0, "nodule": 1.0}, "segmented": True}),
         report=Report("final",
            "Lungs: centrilobular emphysema, mostly of the upper lobes. Solid nodule of 11 mm in the right upper lobe, "
            "slightly spiculated.\nPleura: no effusion.\nMediastinum and hila: no enlarged nodes.\n"
            "Heart and great vessels: normal calibre.\nBones: no destructive lesion.",
            "Solid nodule of 11 mm in the right upper lobe; PET-CT or biopsy is advised (Fleischner). Emphysema.",
            _t(hours=3, minutes=20), key=(3, 21, "Nodule, 11 mm"))),
    Case("f-yamada", 24, "XRCHEST", "NORTH", _t(days=4, hours=1), "completed", "Positive tuberculosis test", "R76.11",
         recipe=Recipe("xr-chest", _TRUNK),
         report=Report("final", _NORMAL_CHEST, "No sign of tuberculosis.", _t(hours=1, minutes=5))),
    Case("f-plateau", 25, "XRKNEE", "NORTH", _t(days=5, hours=6), "completed", "Fell while skiing, cannot bear weight",
         "S89.91XA", "HIGH", "R", 2, recipe=Recipe("xr-knee", 18, {"side": "R", "finding": "fracture"}),
         report=Report("final", "Bones: fracture line through the lateral tibial plateau, depressed by about 2 mm.\n"
            "Joint spaces: preserved.\nSoft tissues: effusion.",
            "Fracture of the right lateral tibial plateau. CT is advised before surgery.", _t(minutes=22))),
    Case("f-aneurysm", 26, "USABD", "RIVER", _t(days=6, hours=2), "completed", "Known aneurysm of the aorta, yearly control",
         "I71.40", recipe=Recipe("us-abdomen", 19, {"finding": "aneurysm"}),
         report=Report("final", "Aorta: infrarenal aneurysm, 4.4 cm, with thrombus along the front wall; no free fluid.\n"
            "Liver: normal size and echogenicity.\nKidneys: no hydronephrosis.",
            "Aneurysm of the abdominal aorta, 4.4 cm. Control in six months.", _t(minutes=50),
            comparison="Ultrasound of a year ago: grown from 3.6 cm.")),
    Case("f-hong", 27, "CTHEAD", "NORTH", _t(days=9), "completed", "Headache, sudden onset", "R51.9", "HIGH", referrer=1,
         recipe=Recipe("ct-head", _HEAD, {"scale": 1.03, "bone": False}),
         report=Report("final", _NORMAL_HEAD, "No subarachnoid haemorrhage. Normal head CT.", _t(minutes=31),
                       key=(2, 15, "Basal cisterns open"))),
    Case("f-follow", 28, "XRCHEST", "NORTH", _t(days=1, hours=5), "completed", "Pneumonia two weeks ago, control", "Z09",
         recipe=Recipe("xr-chest", _TRUNK, {"lesions": {"pneumonia": 0.45}}),
         report=Report("final", "Lungs and pleura: small remaining opacity in the right lower zone.\n"
            "Heart and mediastinum: normal contours.\nBones: no acute finding.",
            "Pneumonia of the right lower lobe, nearly resolved.", _t(hours=1, minutes=44),
            comparison="Radiograph of twelve days ago: clearly smaller.")),
)  # fmt: skip

# --- earlier studies ----------------------------------------------------------------------------------------

_EARLIER = (
    Case("e-ruth", STAT_PATIENT, "CTHEAD", "NORTH", _t(days=428, hours=4), "completed", "Dizziness, on apixaban", "R42", "HIGH",
         recipe=Recipe("ct-head", _HEAD, {"bone": False}),
         report=Report("final", _NORMAL_HEAD, "No haemorrhage. Age-appropriate brain.", _t(minutes=38))),
    Case("e-ich", 2, "CTHEAD", "NORTH", _t(days=331, hours=2), "completed", "Fall, on warfarin", "S09.90XA", "HIGH", referrer=1,
         recipe=Recipe("ct-head", _HEAD, {"scale": 0.98, "bone": False}),
         report=Report("final", _NORMAL_HEAD, "No haemorrhage, no fracture.", _t(minutes=33))),
    Case("e-mass", 3, "CTCHEST", "NORTH", _t(days=214, hours=3), "completed", "Cough for two months", "R05.3",
         recipe=Recipe("ct-chest", _TRUNK, {"lesions": {"mass": 0.42}}),
         report=Report("final", "Lungs: spiculated lesion of 18 mm in the left upper lobe. No consolidation.\n"
            "Pleura: no effusion.\nMediastinum and hila: no enlarged nodes.\nHeart and great vessels: normal calibre.\n"
            "Bones: no destructive lesion.",
            "Spiculated lesion of 18 mm in the left upper lobe, suspicious. Biopsy is advised.", _t(hours=2, minutes=5),
            key=(3, 25, "18 mm"))),
    Case("e-tanaka", 4, "XRCHEST", "NORTH", _t(days=742, hours=5), "completed", "Before knee surgery", "Z01.811",
         recipe=Recipe("xr-chest", _TRUNK), report=Report("final", _NORMAL_CHEST, "Normal chest.", _t(hours=2))),
    Case("e-ms", 5, "MRHEAD", "RIVER", _t(days=396, hours=1), "completed", "Optic neuritis, first episode", "H46.9",
         recipe=Recipe("mr-head", _MS, {"lesions": 9}),
         report=Report("final",
            "Brain parenchyma: nine T2 and FLAIR bright foci, periventricular and juxtacortical, the largest 8 mm.\n"
            "Ventricles: normal size.\nMidline: no shift.\nExtra-axial spaces: no collection.\nSinuses and mastoids: clear.",
            "Nine white matter lesions in a pattern typical of multiple sclerosis.", _t(hours=6),
            key=(4, 17, "Periventricular foci"))),
    Case("e-knee", 6, "XRKNEE", "NORTH", _t(days=1130), "completed", "Knee pain", "M25.561", laterality="R", referrer=2,
         recipe=Recipe("xr-knee", 7, {"side": "R"}),
         report=Report("final", "Bones: no fracture, normal alignment.\nJoint spaces: preserved.\nSoft tissues: no swelling.",
            "Normal right knee.", _t(hours=3))),
    Case("e-breast", 7, "MGSCREEN", "RIVER", _t(days=733), "completed", "Screening", "Z12.31",
         recipe=Recipe("mg-screening", 8, {"composition": "b"}),
         report=Report("final", "Breast composition: b, scattered fibroglandular.\n"
            "RIGHT: no mass, no suspicious calcification, no distortion.\n"
            "LEFT: no mass, no suspicious calcification, no distortion.\nAxillae: unremarkable.",
            "BI-RADS 1, negative, both sides.", _t(hours=7))),
    Case("e-hand", 22, "XRHAND", "RIVER", _t(days=44, hours=3), "completed", "Fell on the hand", "S69.91XA", "HIGH", "R",
         recipe=Recipe("xr-hand", 17, {"side": "R", "finding": "fracture"}),
         report=Report("final", "Bones: fracture of the neck of the fifth metacarpal, little angulation.\n"
            "Joint spaces: preserved.\nSoft tissues: swelling over the fifth metacarpal.",
            "Fracture of the neck of the right fifth metacarpal.", _t(minutes=29), key=(1, 1, "Fracture"))),
    Case("e-follow", 28, "XRCHEST", "NORTH", _t(days=12, hours=2), "completed", "Fever, chest pain on the right", "R50.9", "HIGH",
         recipe=Recipe("xr-chest", _TRUNK, {"lesions": {"pneumonia": 1.0}}),
         report=Report("final", "Lungs and pleura: consolidation in the right lower zone with air bronchogram.\n"
            "Heart and mediastinum: normal contours.\nBones: no acute finding.",
            "Pneumonia of the right lower lobe.", _t(minutes=41), key=(1, 1, "Consolidation"))),
    Case("e-aorta", 26, "USABD", "RIVER", _t(days=371), "completed", "Known aneurysm of the aorta, yearly control", "I71.40",
         recipe=Recipe("us-abdomen", 19, {"finding": "ectasia"}),
         report=Report("final", "Aorta: 3.6 cm at most, no thrombus.\nLiver: normal size and echogenicity.\n"
            "Kidneys: no hydronephrosis.", "Ectasia of the abdominal aorta, 3.6 cm.", _t(hours=1, minutes=20))),
)  # fmt: skip

# --- orders without images: the day's schedule, and every way in which an order can end -----------------------

_WITHOUT_IMAGES = (
    Case("s-arrived-1", 29, "CTHEAD", "NORTH", _t(minutes=-12), "arrived", "Head injury two weeks ago, headache", "R51.9"),
    Case("s-arrived-2", 30, "MRHEAD", "NORTH", _t(minutes=-20), "arrived", "Migraine with aura", "G43.109", referrer=1),
    Case("s-arrived-3", 31, "XRHAND", "RIVER", _t(minutes=-8), "arrived", "Jammed in a door", "S69.91XA", "HIGH", "R", 3),
    Case("s-ready", 33, "CTCHEST", "NORTH", _t(minutes=-35), "ready", "Chronic cough", "R05.3", referrer=2),
    Case("s-started-1", 35, "USABD", "RIVER", _t(minutes=7), "started", "Recurrent cystitis", "N30.20", referrer=0),
    Case("s-started-2", 37, "MGSCREEN", "RIVER", _t(minutes=4), "started", "Screening", "Z12.31", referrer=1),
    Case("s-later-1", 32, "USABD", "NORTH", _t(hours=-1), "scheduled", "Epigastric pain", "R10.13"),
    Case("s-later-2", 34, "CTHEAD", "RIVER", _t(hours=-1.5), "scheduled", "Memory complaints", "R41.3", referrer=3),
    Case("s-later-3", 36, "MGSCREEN", "NORTH", _t(hours=-1.3), "scheduled", "Screening", "Z12.31"),
    Case("s-later-4", 38, "XRCHEST", "NORTH", _t(hours=-2), "scheduled", "Before surgery", "Z01.811", referrer=2),
    Case("s-later-5", 39, "MRHEAD", "RIVER", _t(hours=-2.2), "scheduled", "Vertigo", "R42", referrer=1),
    Case("s-later-6", 40, "XRKNEE", "NORTH", _t(hours=-3), "scheduled", "Knee pain", "M25.562", laterality="L"),
    Case("s-later-7", 18, "CTCHEST", "NORTH", _t(hours=-3.5), "scheduled", "Nodule control", "R91.1"),
    Case("s-tomorrow-1", 20, "CTABDPEL", "RIVER", _t(hours=-20), "scheduled", "Abdominal pain", "R10.9", referrer=3),
    Case("s-tomorrow-2", 16, "MRHEAD", "NORTH", _t(hours=-21), "scheduled", "Headache after head injury", "G44.309"),
    Case("s-tomorrow-3", 21, "USABD", "RIVER", _t(hours=-22), "scheduled", "Gallstones", "K80.20"),
    Case("s-tomorrow-4", 24, "CTCHEST", "NORTH", _t(hours=-23), "scheduled", "Positive tuberculosis test", "R76.11"),
    Case("s-week", 26, "CTABDPEL", "RIVER", _t(days=-6), "scheduled", "Aneurysm of the aorta, before stent graft", "I71.40"),
    Case("r-1", 41, "MRHEAD", "NORTH", _t(), "requested", "Headache and blurred vision", "H53.8", "HIGH"),
    Case("r-2", 42, "XRHAND", "RIVER", _t(), "requested", "Fell off a swing", "S69.92XA", "HIGH", "L", 2),
    Case("r-3", 43, "MGSCREEN", "RIVER", _t(), "requested", "Screening", "Z12.31", referrer=3),
    Case("r-4", 44, "CTCHEST", "NORTH", _t(), "requested", "Weight loss", "R63.4", referrer=1),
    Case("r-5", 29, "USABD", "NORTH", _t(), "requested", "Raised liver values", "R74.01", referrer=2),
    Case("n-show-1", 36, "USABD", "NORTH", _t(hours=3, minutes=30), "no-show", "Abdominal pain", "R10.9", referrer=3),
    Case("n-show-2", 39, "XRHAND", "RIVER", _t(days=1, hours=2), "no-show", "Swelling of the fingers", "M79.89", "ROUTINE", "R", 1),
    Case("n-show-3", 33, "MRHEAD", "NORTH", _t(days=4, hours=2), "no-show", "Tinnitus", "H93.11", referrer=2),
    Case("c-1", 25, "CTHEAD", "NORTH", _t(hours=-4), "cancelled", "Headache", "R51.9", referrer=2),
    Case("c-2", 43, "USABD", "RIVER", _t(days=1), "cancelled", "Abdominal pain", "R10.9", referrer=3),
    Case("x-1", 30, "MRHEAD", "NORTH", _t(days=3, hours=2), "discontinued", "Migraine with aura", "G43.109", referrer=1),
    Case("x-2", 42, "CTHEAD", "NORTH", _t(days=2, hours=3), "discontinued", "Fall, vomiting", "S09.90XA", "HIGH", referrer=2),
    # completed, with something that the biller must mend
    Case("b-uninsured", 32, "XRCHEST", "NORTH", _t(days=2, hours=4), "completed", "Cough", "R05.1", referrer=1,
         recipe=Recipe("xr-chest", _TRUNK),
         report=Report("final", _NORMAL_CHEST, "Normal chest.", _t(hours=1, minutes=10))),
    Case("b-no-code", 38, "XRKNEE", "NORTH", _t(days=3, hours=1), "completed", "Knee pain", None, laterality="L", referrer=2,
         recipe=Recipe("xr-knee", 20, {"side": "L"}),
         report=Report("final", "Bones: no fracture, normal alignment.\nJoint spaces: preserved.\nSoft tissues: no swelling.",
            "Normal left knee.", _t(hours=2, minutes=30))),
)  # fmt: skip

CASES: tuple[Case, ...] = (*_UNREAD, *_WRITING, *_READ, *_EARLIER, *_WITHOUT_IMAGES)

# A study whose Patient ID was typed at the machine with two digits changed: it waits in reconciliation.
MISTYPED = Case(
    "m-hand", 34, "XRHAND", "RIVER", _t(hours=1, minutes=35), "scheduled", "Pain of the thumb", "M79.645", laterality="L",
    referrer=1, recipe=Recipe("xr-hand", 23, {"side": "L"}),
)  # fmt: skip
