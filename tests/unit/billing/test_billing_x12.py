"""The X12 codec and the 837P: what we write is read back, is accepted by pyx12, and names what it refuses."""

import contextlib
import io
import logging
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pyx12.error_handler
import pyx12.params
import pyx12.x12n_document
from hypothesis import given
from hypothesis import strategies as st

from wetread.billing.professional_claim import (
    GUIDE,
    Address,
    Organization,
    Person,
    ProfessionalClaim,
    ServiceLine,
    Submitter,
    transaction,
)
from wetread.billing.x12 import (
    Envelope,
    Loop,
    Segment,
    X12Error,
    arrange,
    assign,
    check_elements,
    claim_name,
    clean,
    composite,
    money,
    read_interchange,
    seg,
    unallowed,
    write_interchange,
)
from wetread.security.service import valid_npi

SAMPLES = Path(__file__).parents[4] / "shared" / "testdata" / "x12"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ENVELOPE = Envelope("ZZ", "WETREAD", "ZZ", "CLEARING", "T", 42, AT)
SUBMITTER = Submitter(
    "Riverside Imaging", "WETREAD", "Billing office", "(555) 123-4567", "Clearing House", "CLEARING"
)
OAK = Address("3 Oak St", "Anytown", "MA", "02115-1234")
ELM = Address("2 Elm St", "Anytown", "MA", "02115")

READER_CLAIM = ProfessionalClaim(
    claim_number="W1",
    total_minor=25000,
    place_of_service="22",
    frequency_code="1",
    billing_provider=Organization("Riverside Radiology", "1234567893", OAK, "12-3456789", "2085R0202X"),
    payer=Organization("Medicare", "12345"),
    claim_filing_indicator_code="MB",
    payer_responsibility="P",
    group_number="",
    plan_name="",
    relationship="self",
    subscriber=Person("Doe^Jane", "1EG4TE5MK73"),
    patient=Person("Doe^Jane", "", ELM, date(1960, 1, 1), "F"),
    diagnoses=("R10.9", "R50.9"),
    lines=(ServiceLine("74177", ("26",), 25000, 1, date(2026, 11, 20), (1, 2), "W1L1"),),
    referring=Person("Smith^Ann", "1679576722"),
    rendering=Person("Read^Ray", "1497758544", taxonomy_code="2085R0202X"),
    service_facility=Organization("Demo Hospital", "1588667638", OAK),
    prior_authorization="AUTH123",
)
TECHNICAL_CLAIM = replace(
    READER_CLAIM,
    claim_number="W2",
    total_minor=61250,
    place_of_service="11",
    billing_provider=Organization("Northgate Imaging Center", "1588667638", OAK, "987654321"),
    payer=Organization("Bluewater Health", "BWH01", Address("PO Box 1", "Boston", "MA", "02101")),
    claim_filing_indicator_code="CI",
    group_number="GRP-9",
    relationship="child",
    subscriber=Person("Müller^Jörg", "BW998877", ELM, date(1980, 5, 4), "M"),
    patient=Person("Müller^Zoë", "", ELM, date(2015, 2, 28), None),
    lines=(
        ServiceLine("73130", ("TC", "LT"), 11250, 1, date(2026, 11, 20), (1,)),
        ServiceLine("73130", ("TC", "RT"), 50000, 2, date(2026, 11, 21), (1, 2)),
    ),
    rendering=None,
    service_facility=None,
    prior_authorization="",
    mammography_certification="123456",
)


def judge(text: str) -> list[str]:
    """What pyx12 has against the file."""
    errors: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: errors.append(record.getMessage())
    logger = logging.getLogger("pyx12")
    logger.addHandler(handler)
    answer = io.StringIO()
    try:
        accepted = pyx12.x12n_document.x12n_document(pyx12.params.params(), io.StringIO(text), answer, None)
    finally:
        logger.removeHandler(handler)
    if not accepted:
        errors.append(answer.getvalue())
    return errors


@pytest.mark.parametrize(
    "claims",
    [
        [READER_CLAIM],
        [TECHNICAL_CLAIM],
        [READER_CLAIM, TECHNICAL_CLAIM, replace(READER_CLAIM, claim_number="W3")],
    ],
)
def test_pyx12_accepts_what_we_write(claims: list[ProfessionalClaim]) -> None:
    text = write_interchange(GUIDE, ENVELOPE, [transaction(SUBMITTER, claims, "42", AT)])
    assert judge(text) == []


def test_the_judge_sees_faults() -> None:
    text = write_interchange(GUIDE, ENVELOPE, [transaction(SUBMITTER, [READER_CLAIM], "42", AT)])
    assert judge(text.replace("DTP*472*D8*20261120~\n", ""))
    assert judge(text.replace("SV1*HC:74177:26", "SV1*HC:74177:26X"))


def test_a_technical_and_a_professional_line_are_written_as_the_guide_has_them() -> None:
    text = write_interchange(
        GUIDE, ENVELOPE, [transaction(SUBMITTER, [READER_CLAIM, TECHNICAL_CLAIM], "42", AT)]
    )
    assert text.index("ISA*00*") == 0 and text[105] == "~"
    for line in (
        "CLM*W1*250***22:B:1*Y*A*Y*Y~", "HI*ABK:R109*ABF:R509~", "SV1*HC:74177:26*250*UN*1***1:2~",
        "NM1*IL*1*MUELLER*JOERG****MI*BW998877~", "PAT*19~",
        "NM1*QC*1*MUELLER*ZOE~", "DMG*D8*20150228*U~", "SV1*HC:73130:TC:LT*112.5*UN*1***1~",
        "N4*ANYTOWN*MA*021151234~", "REF*EI*123456789~", "SBR*P**GRP-9******CI~",
    ):  # fmt: skip
        assert line in text


def test_written_claims_are_read_back_into_the_same_loops() -> None:
    tree = transaction(SUBMITTER, [READER_CLAIM, TECHNICAL_CLAIM], "42", AT)
    read = read_interchange(write_interchange(GUIDE, ENVELOPE, [tree]))
    ((version, segments),) = read.transactions
    assert version == GUIDE.version
    again = assign(GUIDE, segments)
    assert arrange(GUIDE, again) == arrange(GUIDE, tree)
    providers = again.loops("2000A")
    assert [p.loop("2010AA").first("NM1").element(3) for p in providers] == [
        "RIVERSIDE RADIOLOGY",
        "NORTHGATE IMAGING CENTER",
    ]
    assert providers[1].loop("2000B").loop("2000C").loop("2300").first("CLM").element(1) == "W2"


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("*.edi")) or [None], ids=lambda p: p.name if p else "none"
)
def test_interchanges_of_others_are_read(path: Path | None) -> None:
    if path is None:
        pytest.skip("the folder of sample interchanges is not on this machine")
    text = path.read_text()
    transactions = read_interchange(text).transactions
    assert sum(len(segments) for _, segments in transactions) == text.count("~") - 6
    if path.name == "imaging-26-ct.edi":
        tree = assign(GUIDE, transactions[0][1])
        assert arrange(GUIDE, tree) == list(transactions[0][1])


MINIMAL = write_interchange(GUIDE, ENVELOPE, [transaction(SUBMITTER, [READER_CLAIM], "42", AT)])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "\n " + t,
        lambda t: t[:105] + " " + t[105:],
        lambda t: t.replace("\n", ""),
        lambda t: t.replace("~\n", "\n"),
        lambda t: t.replace("~\n", "\r\n"),
        lambda t: t.replace("~\n", " ~\r\n"),
        lambda t: t.replace("*", "|"),
        lambda t: t.replace(":", ">"),
    ],
)
def test_terminators_and_white_space_people_met(change) -> None:
    assert read_interchange(change(MINIMAL)).transactions == read_interchange(MINIMAL).transactions


def test_the_repetition_element_of_old_versions_is_a_code() -> None:
    old = MINIMAL.replace("*^*00501*", "*U*00401*").replace("DEMO HOSPITAL", "UUU HOSPITAL")
    assert (
        Segment("NM1", ("77", "2", "UUU HOSPITAL", "", "", "", "", "XX", "1588667638"))
        in read_interchange(old).transactions[0][1]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: "", "106 characters"),
        (lambda t: t[:100], "106 characters"),
        (lambda t: t.replace("ISA*00", "ISA*000", 1), "fixed lengths"),
        (lambda t: t.replace("\nSE*", "\nSE*9", 1), "segments"),
        (lambda t: t[: t.index("\nSE*")], "ends within"),
        (lambda t: t.replace("IEA*1*000000042", "IEA*1*000000043"), "ISA13"),
        (lambda t: t[: t.index("GS*")] + "IEA*0*000000042~", "no transaction set"),
    ],
)
def test_broken_envelopes_are_named(change, reason) -> None:
    with pytest.raises(X12Error, match=reason):
        read_interchange(change(MINIMAL))


@given(st.text(max_size=200), st.integers(0, 400))
def test_any_text_is_read_or_refused(junk: str, at: int) -> None:
    with contextlib.suppress(X12Error):
        read_interchange(MINIMAL[:at] + junk + MINIMAL[at:])


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (replace(READER_CLAIM, diagnoses=()), r"HI\*ABK is missing"),
        (replace(READER_CLAIM, lines=()), "loop 2400 is missing"),
        (replace(READER_CLAIM, lines=READER_CLAIM.lines * 51), "50 times"),
        (replace(READER_CLAIM, patient=replace(READER_CLAIM.patient, birth_date=None)), "birth date"),
        (replace(READER_CLAIM, patient=replace(READER_CLAIM.patient, address=None)), "address"),
        (replace(READER_CLAIM, subscriber=Person("山田^太郎", "1")), "Latin"),
        (replace(READER_CLAIM, claim_number="X" * 39), "CLM01"),
        (
            replace(READER_CLAIM, service_facility=replace(READER_CLAIM.service_facility, address=None)),
            "address",
        ),
    ],
)
def test_what_the_guide_forbids_is_refused_by_name(claim: ProfessionalClaim, reason: str) -> None:
    with pytest.raises(X12Error, match=reason):
        write_interchange(GUIDE, ENVELOPE, [transaction(SUBMITTER, [claim], "42", AT)])


def test_stray_and_unordered_items() -> None:
    tree = transaction(SUBMITTER, [READER_CLAIM], "42", AT)
    tree.items.reverse()
    assert arrange(GUIDE, tree)[0].name == "BHT"
    tree.add(seg("LX", 1))
    with pytest.raises(X12Error, match="no place"):
        arrange(GUIDE, tree)
    flat = [s for s in arrange(GUIDE, transaction(SUBMITTER, [READER_CLAIM], "42", AT)) if s.name != "SBR"]
    with pytest.raises(X12Error, match=r"SBR is missing in loop 2000B; found NM1\*IL"):
        assign(GUIDE, flat)
    with pytest.raises(X12Error, match="no place"):
        assign(GUIDE, [*arrange(GUIDE, transaction(SUBMITTER, [READER_CLAIM], "42", AT)), seg("ZZ", "1")])


@pytest.mark.parametrize(
    "segment",
    [seg("DTP", "472", "D8"), seg("N4", "A", "MA"), seg("LX", "x"), seg("BHT", "0019", "00", "1", "20261332", "1200", "CH"),
     seg("BHT", "0019", "00", "1", "20261130", "2500", "CH"), seg("CLM", "1", "1.50", None, None, "11:B:1", *"YAYY"),
     seg("LX", "1", "2"), seg("QQ", "1"), seg("NM1", "IL", "1", "山田")],
)  # fmt: skip
def test_elements_are_checked(segment: Segment) -> None:
    with pytest.raises(X12Error):
        check_elements(GUIDE.elements, segment)


def test_delimiters_cannot_slip_in() -> None:
    for bad in ("a*b", "a~b"):
        with pytest.raises(X12Error):
            seg("NM1", bad)
    with pytest.raises(X12Error):
        composite("a:b")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Müller^Jörg", ("MUELLER", "JOERG", "", "")),
        ("O’Brien-Ñuñez^Zoë^M.^Dr^Jr", ("O'BRIEN-NUNEZ", "ZOE", "M.", "JR")),
        ("Иванов^Пётр^Щукин", ("IVANOV", "PETR", "SHCHUKIN", "")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("YAMADA", "TAROU", "", "")),
        ("Straße^Łukasz", ("STRASSE", "LUKASZ", "", "")),
        ("Παπαδόπουλος^Νίκος", ("PAPADOPOULOS", "NIKOS", "", "")),
        ("Smith * Jones~^A:B", ("SMITH JONES", "A B", "", "")),
        ("Singh", ("SINGH", "", "", "")),
        ("A" * 80, ("A" * 60, "", "", "")),
    ],
)
def test_names_in_claims(name: str, written: tuple[str, ...]) -> None:
    found = claim_name(name)
    assert found and (found.last, found.first, found.middle, found.suffix) == written


@pytest.mark.parametrize("name", ["山田^太郎", "김^희중", "=山田^太郎", "محمد^علي", "", "^Jane"])
def test_names_without_a_latin_spelling_are_flagged(name: str) -> None:
    assert claim_name(name) is None


@given(st.text(max_size=60))
def test_clean_text_is_always_allowed(text: str) -> None:
    cleaned = clean(text)
    assert cleaned is None or not unallowed(cleaned)
    assert cleaned is None or not set("*~^:") & set(cleaned)


@given(st.integers(-10_000_000, 10_000_000))
def test_money_is_exact(minor: int) -> None:
    units, _, cents = money(minor).lstrip("-").partition(".")
    assert int(units) * 100 + int((cents + "00")[:2]) == abs(minor)
    assert not money(minor).endswith((".0", ".00"))


def test_npi_check_digit() -> None:
    assert all(valid_npi(n) for n in ("1234567893", "1679576722", "1497758544", "1588667638"))
    assert not any(valid_npi(n) for n in ("1234567890", "123456789", "", "9234567893", "123456789X"))


@given(st.integers(100_000_000, 299_999_999), st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_in_an_npi_is_seen(stem: int, at: int, by: int) -> None:
    npi = next(f"{stem}{d}" for d in range(10) if valid_npi(f"{stem}{d}"))
    wrong = npi[:at] + str((int(npi[at]) + by) % 10) + npi[at + 1 :]
    assert not valid_npi(wrong)


def test_loops_answer_for_what_is_absent() -> None:
    loop = Loop("2300")
    assert loop.first("CLM").element(5) == "" and loop.loop("2400").items == []
    with pytest.raises(X12Error, match="at least one"):
        transaction(SUBMITTER, [], "1", AT)
