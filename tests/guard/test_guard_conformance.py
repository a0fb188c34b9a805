"""The conformance statement is made from the code, and is current."""

from __future__ import annotations

from pathlib import Path

from wetread.app.conformance import as_html, statement
from wetread.app.rooms import MODELS, load
from wetread.dicom import sopclass
from wetread.dicom.pdu import AssociateRequest, ContextResult, ProposedContext
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES
from wetread.dimse.server import negotiate

ROOT = Path(__file__).resolve().parents[2]


def test_the_statement_in_the_documentation_is_current() -> None:
    load(MODELS)
    assert (ROOT / "docs" / "conformance.md").read_text() == statement(), "run `make conformance`"


def test_every_class_of_the_dictionary_is_accepted_exactly_where_the_statement_names_it() -> None:
    from pydicom._uid_dict import UID_dictionary
    from pynetdicom import AllStoragePresentationContexts

    load(MODELS)
    text = statement()
    overview = text[: text.index("## 2 ")]
    storage = text[text.index("### 2.3") : text.index("### 2.4")]
    classes = {uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "SOP Class"}
    # Another's list is newer than the dictionary's.
    storable = {str(one.abstract_syntax) for one in AllStoragePresentationContexts}
    assert storable <= sopclass.STORAGE_CLASSES
    classes |= storable
    wrong = []
    for uid in classes:
        request = AssociateRequest("WETREAD", "CT1", (ProposedContext(1, uid, (EXPLICIT_VR_LITTLE_ENDIAN,)),))
        accepted = negotiate(request).contexts[0].result == ContextResult.ACCEPTANCE
        told = f"`{uid}`" in storage or any(
            f"`{uid}`" in line and line.rstrip().endswith("| yes |") for line in overview.splitlines()
        )
        if accepted != told and uid != sopclass.UPS_EVENT:  # of events we are the SCP that calls
            wrong.append(sopclass.name_of(uid))
    assert wrong == []
    assert len(classes) > 100


def test_every_transfer_syntax_is_named_and_accepted() -> None:
    text = statement()
    ct = "1.2.840.10008.5.1.4.1.1.2"
    for uid in TRANSFER_SYNTAXES:
        assert f"`{uid}`" in text
        request = AssociateRequest("WETREAD", "CT1", (ProposedContext(1, ct, (uid,)),))
        assert negotiate(request).contexts[0].result == ContextResult.ACCEPTANCE


def test_the_page_has_all_of_it() -> None:
    page = as_html(statement())
    assert page.count("<table>") == statement().count("\n| --- |")
    assert page.count("<tr>") == sum(
        line.startswith("| ") and not line.startswith("| --- ") for line in statement().splitlines()
    )
    assert "<script" not in page
