"""Pure decisions about identity: searchable names, how alike two records are, and what may be merged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein

from wetread.kit.errors import FieldError
from wetread.patients.model import PregnancyStatus

# (0010,21C0) Pregnancy Status: US.
PREGNANCY_STATUS_VALUE: Final[dict[str, int]] = {
    PregnancyStatus.NOT_PREGNANT: 1,
    PregnancyStatus.POSSIBLY_PREGNANT: 2,
    PregnancyStatus.PREGNANT: 3,
    PregnancyStatus.UNKNOWN: 4,
}
EGFR_CONTRAST_CAUTION_ML_MIN: Final = 30
PATIENT_NAME_CHARACTERS_MAX: Final = 64  # per component group, PS3.5 6.2
DUPLICATE_SCORE_MIN: Final = 60
DUPLICATE_SCORE_CERTAIN: Final = 95

_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"})
_PLAIN: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_CYRILLIC: Final = str.maketrans(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґў",
            [
                "a",
                "b",
                "v",
                "g",
                "d",
                "e",
                "e",
                "zh",
                "z",
                "i",
                "y",
                "k",
                "l",
                "m",
                "n",
                "o",
                "p",
                "r",
                "s",
                "t",
                "u",
                "f",
                "kh",
                "ts",
                "ch",
                "sh",
                "shch",
                "_",
                "y",
                "_",
                "e",
                "yu",
                "ya",
                "i",
                "yi",
                "ye",
                "g",
                "u",
            ],
            strict=True,
        )
    )
    | {"ъ": "", "ь": ""}
)
_GREEK: Final = str.maketrans(
    dict(
        zip(
            "αβγδεζηθικλμνξοπρσςτυφχψω",
            [
                "a",
                "v",
                "g",
                "d",
                "e",
                "z",
                "i",
                "th",
                "i",
                "k",
                "l",
                "m",
                "n",
                "x",
                "o",
                "p",
                "r",
                "s",
                "s",
                "t",
                "y",
                "f",
                "ch",
                "ps",
                "o",
            ],
            strict=True,
        )
    )
)


def _without_marks(value: str) -> str:
    # The kana's voicing marks make other letters and stay.
    decomposed = unicodedata.normalize("NFKD", value)
    kept = (c for c in decomposed if not unicodedata.combining(c) or c in "\u3099\u309a")
    return unicodedata.normalize("NFC", "".join(kept))


def spellings(word: str) -> list[str]:
    """The ways in which one word of a name is looked for, plainest first: `Müller` → muller, mueller.

    Marks are dropped, Cyrillic and Greek are also spelt in Latin letters. Han, kana and hangul stay as they are.
    """
    lower = unicodedata.normalize("NFKC", word).casefold() if "ß" not in word else word.lower()
    lower = unicodedata.normalize("NFC", lower)
    forms = [
        _without_marks(lower.translate(_PLAIN)),
        _without_marks(lower.translate(_GERMAN).translate(_PLAIN)),
    ]
    # The short i and yo are letters of their own, not accents: transliterate before marks are dropped.
    latin = _without_marks(lower.translate(_CYRILLIC).translate(_PLAIN))
    forms.append(latin.translate(_GREEK))
    return list(dict.fromkeys(form for form in forms if form))


def words_of(patient_name: str) -> list[str]:
    """All words of all groups of a PN, as written."""
    return [word for word in re.split(r"[\s^=,.\-'’ʼ·・]+", patient_name) if word]


def name_words(patient_name: str) -> str:
    """What a name is found by: every word of every group in each spelling, a blank before and after each.

    Each word starts with a blank, so that `LIKE '% mul%'` means "a word that begins with mul".
    """
    found = dict.fromkeys(form for word in words_of(patient_name) for form in spellings(word))
    return f" {' '.join(found)} " if found else " "


def search_terms(typed: str) -> list[list[str]]:
    """What a person typed, as one list of alternative spellings for each word that must be found."""
    return [spellings(word) for word in words_of(typed)]


def like_literal(value: str) -> str:
    """`value` with LIKE's own characters escaped by a backslash."""
    return re.sub(r"([\\%_])", r"\\\1", value)


def digits(value: str | None) -> str | None:
    """The digits of a telephone number, or None."""
    found = "".join(c for c in value or "" if c.isdecimal())
    return found or None


def birth_date_typed(typed: str) -> date | None:
    """A date as people type it: 1980-03-14, 14.03.1980, 03/14/1980, 19800314; None for anything else."""
    for pattern, order in (
        (r"(\d{4})-(\d{1,2})-(\d{1,2})", (1, 2, 3)),
        (r"(\d{1,2})\.(\d{1,2})\.(\d{4})", (3, 2, 1)),
        (r"(\d{1,2})/(\d{1,2})/(\d{4})", (3, 1, 2)),
        (r"((?:19|20)\d{2})(\d{2})(\d{2})", (1, 2, 3)),
    ):
        if match := re.fullmatch(pattern, typed.strip()):
            year, month, day = (int(match[i]) for i in order)
            try:
                return date(year, month, day)
            except ValueError:
                return None
    return None


def age_text(birth_date: date | None, on: date, *, deceased: bool = False) -> str:
    """Age for people: days under a month, months under two years, then years; empty where not known."""
    if birth_date is None or birth_date > on:
        return ""
    months = (on.year - birth_date.year) * 12 + on.month - birth_date.month - (on.day < birth_date.day)
    if months < 1:
        text = f"{(on - birth_date).days} d"
    elif months < 24:
        text = f"{months} mo"
    else:
        text = f"{months // 12} y"
    return f"{text} †" if deceased else text


def check_person_name(patient_name: str, field: str = "patient_name") -> list[FieldError]:
    """Faults of a PN by PS3.5 6.2: at most three groups of at most 64 characters and five components."""
    errors = []
    if not patient_name.replace("^", "").replace("=", "").strip():
        return [FieldError(field, "a name is needed")]
    groups = patient_name.split("=")
    if len(groups) > 3:
        errors.append(FieldError(field, "at most three groups, alphabetic=ideographic=phonetic"))
    for group in groups:
        if len(group) > PATIENT_NAME_CHARACTERS_MAX:
            errors.append(FieldError(field, f"a group may have {PATIENT_NAME_CHARACTERS_MAX} characters"))
        if group.count("^") > 4:
            errors.append(FieldError(field, "at most five components: family^given^middle^prefix^suffix"))
    if any(ord(c) < 0x20 or c == "\\" for c in patient_name):
        errors.append(FieldError(field, "a control character or backslash cannot stand in a name"))
    return errors


@dataclass(frozen=True, slots=True)
class Persona:
    """What duplicates are judged by."""

    patient_name: str
    patient_birth_date: date | None
    patient_sex: str | None
    telephone_digits: str | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two records are: `score` 0–100 and the reasons in words."""

    score: int
    reasons: tuple[str, ...]


def likeness(one: Persona, other: Persona) -> Likeness:
    """Scores two records as the same person. A score shows people what to look at; it never merges anything."""
    names = _name_likeness(one.patient_name, other.patient_name)
    score, reasons = 0.62 * names, []
    reasons.append("same name" if names >= 99 else "similar name" if names >= 75 else "different name")
    a, b = one.patient_birth_date, other.patient_birth_date
    if a is None or b is None:
        score += 10
        reasons.append("birth date not known")
    elif a == b:
        score += 32
        reasons.append("same birth date")
    elif (a.month, a.day) == (b.day, b.month) and a.year == b.year:
        score += 24
        reasons.append("day and month exchanged")
    elif DamerauLevenshtein.distance(f"{a:%Y%m%d}", f"{b:%Y%m%d}") == 1:
        score += 20
        reasons.append("birth date differs in one digit")
    else:
        score -= 18
        reasons.append("different birth date")
    if one.patient_sex and other.patient_sex:
        same = one.patient_sex == other.patient_sex
        score += 6 if same else -12
        if not same:
            reasons.append("different sex")
    if one.telephone_digits and one.telephone_digits == other.telephone_digits:
        score += 12
        reasons.append("same telephone")
    return Likeness(max(0, min(100, round(score))), tuple(reasons))


def _name_likeness(one: str, other: str) -> float:
    a, b = _spelt(one), _spelt(other)
    return max((fuzz.token_sort_ratio(x, y) for x in a for y in b), default=0.0)


def _spelt(patient_name: str) -> Iterable[str]:
    groups = [group for group in patient_name.split("=") if group.strip("^ ")]
    for group in groups:
        forms = [spellings(word) for word in words_of(group)]
        yield " ".join(form[0] for form in forms)
        if any(len(form) > 1 for form in forms):
            yield " ".join(form[-1] for form in forms)


def unknown_name(sex: str | None, number: int) -> str:
    """The name of an emergency registration: `Unknown^Male 3`."""
    word = {"M": "Male", "F": "Female"}.get(sex or "", "Person")
    return f"Unknown^{word} {number}"
