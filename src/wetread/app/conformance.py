"""The DICOM conformance statement (PS3.2) in Markdown, written from the tables that the code runs on.

What is true only in prose stands here as prose; every list of classes, syntaxes, keys, statuses, limits and resources is
read from where it is decided, so that the statement cannot promise what is not done.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from pydicom.charset import python_encoding

import wetread
from wetread.archive.rules import Level
from wetread.archive.rules import Status as StoreStatus
from wetread.archive.store import COMBINED_DATE_TIMES, KEYS
from wetread.availability import service as availability
from wetread.dicom import pdu, sopclass
from wetread.dicom.message import Command, Status
from wetread.dicom.transfersyntax import TRANSFER_SYNTAXES
from wetread.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from wetread.dicomweb import capabilities
from wetread.dicomweb.accept import FRAME_MEDIA_TYPES, RENDERED_MEDIA_TYPES
from wetread.dimse import connection, server
from wetread.kit import limits, tls
from wetread.workitems import nested
from wetread.workitems import rules as workitems
from wetread.workitems.model import State

Rows = Iterable[Sequence[object]]

_SCU: tuple[tuple[str, str], ...] = (
    (sopclass.VERIFICATION, "the echo button of an application entity; `wetread echo`"),
    (sopclass.STUDY_ROOT_FIND, "`wetread find`; look-up of priors"),
    (sopclass.PATIENT_ROOT_FIND, "`wetread find`"),
    (sopclass.MODALITY_WORKLIST, "`wetread find`"),
    (sopclass.UPS_QUERY, "`wetread find --model workitems`"),
    (sopclass.STUDY_ROOT_MOVE, "`wetread move`; fetching of priors"),
    (sopclass.STUDY_ROOT_GET, "fetching of priors, with the role of SCP of storage"),
    (sopclass.STORAGE_COMMITMENT_PUSH, "`wetread send --commit`; reports of outcomes, as SCP that calls"),
    (sopclass.INSTANCE_AVAILABILITY, "for receivers with the right `availability`"),
    (sopclass.UPS_EVENT, "events to subscribers, as SCP that calls"),
)
_MATCHING = {
    "uid": "List of UID",
    "text": "Single value, wild card, list",
    "name": "Single value, wild card, fuzzy where agreed; no regard to capitals and accents; any component group",
    "date": "Single value, range, list",
    "time": "Single value, range, list",
    "integer": "Single value, list",
}
_RIGHT_OF = {
    Command.C_ECHO_RQ: "verify",
    Command.C_STORE_RQ: "store",
    Command.C_FIND_RQ: "find (worklist, workitems)",
    Command.C_MOVE_RQ: "move",
    Command.C_GET_RQ: "get",
    Command.N_CREATE_RQ: "mpps (workitems)",
    Command.N_SET_RQ: "mpps (workitems)",
    Command.N_GET_RQ: "workitems",
    Command.N_ACTION_RQ: "commitment (workitems)",
}


def statement() -> str:
    """The whole statement as Markdown."""
    parts = (
        _overview(),
        _network(),
        _services(),
        _priors(),
        _media(),
        _workitems(),
        _web(),
        _character_sets(),
        _security(),
    )
    return "\n\n".join(block for part in parts for block in part) + "\n"


def as_html(markdown: str) -> str:
    """The statement as one HTML page: the little of Markdown that it uses."""
    out: list[str] = []
    rows: list[str] = []
    for block in markdown.strip().split("\n\n"):
        if block.startswith("#"):
            marks, _, text = block.partition(" ")
            out.append(f"<h{len(marks)}>{_inline(text)}</h{len(marks)}>")
        elif block.startswith("|"):
            lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.split("\n")]
            head = "".join(f"<th>{_inline(cell)}</th>" for cell in lines[0])
            rows = [
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in line) + "</tr>" for line in lines[2:]
            ]
            out.append(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")
        else:
            out.append(f"<p>{_inline(block)}</p>")
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#222}"
        "table{border-collapse:collapse;margin:1em 0}th,td{border:1px solid #bbb;padding:.25em .6em;text-align:left;"
        "vertical-align:top}th{background:#eee}code{font-size:.92em}"
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>DICOM conformance statement</title>'
        f"<style>{style}</style></head><body>{''.join(out)}</body></html>"
    )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _table(head: Sequence[str], rows: Rows) -> str:
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])


def _named(uid: str) -> tuple[str, str]:
    return sopclass.name_of(uid), f"`{uid}`"


def _overview() -> Iterator[str]:
    version = getattr(wetread, "__version__", "0.1")
    yield "# DICOM conformance statement: Wetread"
    yield (
        f"Version {version}. Made by `wetread conformance` from the product's own tables; a test keeps this file current. "
        "It follows the order of PS3.2."
    )
    yield "## 1 Overview"
    yield (
        "Wetread is an image archive and radiology information system in one. It keeps objects of every storage SOP class "
        "as they were received, serves them by DIMSE and DICOMweb, gives modalities their worklist, takes their reports of "
        "performed steps, promises storage, manages Unified Procedure Steps, and tells other systems what is here. It writes "
        "File-sets for media (3.9) and reads none."
    )
    users = {uid for uid, _ in _SCU} - {sopclass.UPS_EVENT}
    providers = {*server.SERVICES, sopclass.UPS_EVENT}
    yield _table(
        ("SOP class", "UID", "User (SCU)", "Provider (SCP)"),
        [
            ("Storage: see 2.3", "", "yes (C-MOVE, forwarding, `wetread send`)", "yes"),
            *(
                (*_named(uid), "yes" if uid in users else "no", "yes" if uid in providers else "no")
                for uid in sorted(users | providers, key=_named)
            ),
        ],
    )
    yield _table(
        ("DICOMweb service", "User agent", "Origin server"),
        [
            ("Studies: search, retrieve, store (QIDO-RS, WADO-RS, STOW-RS)", "no", "yes"),
            ("Worklist: Unified Procedure Steps with event channel (UPS-RS)", "no", "yes"),
            ("URI (WADO-URI)", "no", "yes"),
            ("Capabilities", "no", "yes"),
        ],
    )


def _network() -> Iterator[str]:
    yield "## 2 Networking"
    yield "### 2.1 Application entity and associations"
    yield (
        "One application entity (default title `WETREAD`, setting `ae_title`) accepts and requests associations. It may run "
        "as several processes over one database; no state is bound to a process."
    )
    extended = ", ".join(
        word
        for flag, word in zip(
            server.FIND_OPTIONS,
            (
                "relational queries",
                "combined date-time matching",
                "fuzzy matching of person names",
                "timezone query adjustment",
                "enhanced multi-frame image conversion",
            ),
            strict=True,
        )
        if flag
    )
    yield _table(
        ("Matter", "Value"),
        [
            ("Application context", f"`{pdu.APPLICATION_CONTEXT}`"),
            ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
            ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
            ("Maximum PDU received", f"{connection.PDU_BYTES_MAX} bytes"),
            (
                "Simultaneous associations accepted",
                f"{server.ASSOCIATIONS_MAX} for each process of the node (setting `node_processes`); further ones: transient, "
                "local limit exceeded",
            ),
            (
                "Asynchronous operations window",
                "1 invoked, 1 performed: proposals of more are answered with 1/1",
            ),
            (
                "SCP/SCU role selection",
                "the requestor may be SCP of storage classes (for C-GET); of all else this system is the SCP",
            ),
            ("SOP class extended negotiation", f"C-FIND: {extended}; C-MOVE and C-GET: relational retrieval"),
            (
                "User identity",
                "types 1 (name) and 2 (name and passcode) where an application entity is set up with one, or type 2 of an account "
                "with an API token as passcode; positive response",
            ),
            ("Time for an A-ASSOCIATE-RQ to arrive", f"{server.REQUEST_S:g} s"),
            ("Silence after which an association is aborted", f"{server.IDLE_S:g} s"),
            ("Silence of a peer that is called", f"{limits.PEER_ANSWER_S:g} s"),
        ],
    )
    yield (
        "Acceptance: the called title must be ours, the calling title must be known, and the call must come from the "
        "address, by the certificate and with the user identity that are set up for it. Each service needs a right of its "
        "own; without it operations answer 0124."
    )
    yield _table(
        ("Refusal", "Result / source / reason"),
        [
            (words, f"{one.result} / {one.source} / {one.reason}")
            for words, one in (
                ("Called AE title not recognized", pdu.CALLED_AE_NOT_RECOGNIZED),
                ("Calling AE title not recognized, or not from its place", pdu.CALLING_AE_NOT_RECOGNIZED),
                ("User identity not accepted", pdu.IDENTITY_NOT_ACCEPTED),
                ("Application context name not supported", pdu.APPLICATION_CONTEXT_NOT_SUPPORTED),
                ("Protocol version not supported", pdu.PROTOCOL_VERSION_NOT_SUPPORTED),
                ("Local limit exceeded", pdu.LOCAL_LIMIT_EXCEEDED),
                ("Temporary congestion: the database does not answer", pdu.TEMPORARY_CONGESTION),
            )
        ],
    )
    yield "### 2.2 Operations by SOP class"
    yield _table(
        ("Operation", "SOP classes", "Right"),
        [
            (
                command.name.removesuffix("_RQ").replace("_", "-"),
                ", ".join(sorted(map(sopclass.name_of, classes))),
                _RIGHT_OF[command],
            )
            for command, classes in server.CLASSES_OF.items()
        ],
    )
    yield (
        "Other classes than storage are negotiated in "
        + " and ".join(TRANSFER_SYNTAXES[uid].name for uid in server.PLAIN)
        + ". Of the transfer syntaxes proposed for a presentation context, the first that is supported is accepted."
    )
    yield "### 2.3 Storage SOP classes"
    yield (
        "All are kept at level 2 (full), every attribute and every byte as received; private and newer classes by the "
        "setting `extra_sop_classes`."
    )
    yield _table(("SOP class", "UID"), [_named(uid) for uid in sorted(sopclass.STORAGE_CLASSES, key=_named)])
    yield "### 2.4 Transfer syntaxes of storage"
    yield (
        "Kept in the syntax of the sender and given back in it; who does not take it gets Explicit or Implicit VR Little "
        "Endian where the pixels can be decoded. Others by the setting `extra_transfer_syntaxes`."
    )
    yield _table(
        ("Transfer syntax", "UID", "Frames by DICOMweb as"),
        [
            (one.name, f"`{uid}`", FRAME_MEDIA_TYPES.get(uid, "application/octet-stream"))
            for uid, one in TRANSFER_SYNTAXES.items()
        ],
    )


def _services() -> Iterator[str]:
    yield "## 3 Services in detail"
    yield "### 3.1 Storage (PS3.4 B)"
    yield (
        "Success is answered only after the object and its index are on stable storage. The same object sent again is known "
        "and answered with success; another object under the same SOP Instance UID, and what contradicts its study or "
        "patient, is kept apart for a person (B000)."
    )
    yield _table(
        ("Status", "Meaning"),
        [(f"{one:04X}", one.name.replace("_", " ").lower()) for one in StoreStatus],
    )
    yield "### 3.2 Query/Retrieve (PS3.4 C)"
    yield (
        "Patient Root and Study Root, all levels, relational. Keys without a column take no part in matching, which is "
        f"told by FF01; sequence matching in Request Attributes Sequence. More than {server.MATCHES_MAX} matches: A700 after "
        "them. C-CANCEL is heard between matches and between sub-operations."
    )
    for level in Level:
        lower = [one for one in Level if list(Level).index(one) < list(Level).index(level)]
        own = {
            keyword: key
            for keyword, key in KEYS[level].keys.items()
            if not any(keyword in KEYS[one].keys for one in lower)
        }
        yield f"Matching keys first found at level {level.value}:"
        yield _table(
            ("Attribute", "Matching"),
            [(keyword, _MATCHING[key.kind.value]) for keyword, key in sorted(own.items())],
        )
    pairs = sorted({pair for pairs in COMBINED_DATE_TIMES.values() for pair in pairs})
    yield (
        "Combined date-time matching, where agreed: "
        + "; ".join(f"{one} with {two}" for one, two in pairs)
        + "."
    )
    yield _table(
        ("Status", "Meaning"),
        [(f"{one:04X}", one.name.replace("_", " ").lower()) for one in Status],
    )
    yield "### 3.3 Storage commitment (PS3.4 J)"
    yield (
        f"Up to {limits.COMMITMENT_OBJECTS_MAX} objects in a request. Every object is read and compared with what was "
        "received before it is promised. The outcome comes on the same association while it is open, else by a call to the "
        "requester's known address, again for hours. Objects are kept until a rule or a person removes them."
    )
    yield "### 3.4 Modality Worklist and Performed Procedure Step (PS3.4 K, F)"
    yield (
        "Worklist items are the scheduled steps of the radiology information system. N-CREATE and N-SET of a performed step "
        "are kept before they are answered; a step in a final state is not changed any more."
    )
    yield "### 3.5 Instance Availability Notification (PS3.4 R)"
    yield (
        f"Receivers with the right `{availability.RIGHT}` are told of a study {availability.QUIET_S} s after its last news, "
        "and again of what comes later and of what is removed or restored: Instance Availability ONLINE or UNAVAILABLE, Retrieve AE Title, Retrieve URI where the setting "
        "`public_url` is made, Referenced Performed Procedure Step Sequence. A receiver that does not answer is called again. "
        "As SCP, notifications of peers with the right `notify` are kept and shown."
    )
    yield "### 3.6 Associations that this system requests, beside those of storage"
    yield _table(("SOP class", "Where"), [(sopclass.name_of(uid), where) for uid, where in _SCU])


def _priors() -> Iterator[str]:
    yield "### 3.7 Priors at other archives"
    yield (
        "When an order is placed or moved, and when images come without one, other archives are asked for the patient's "
        "studies by Patient ID (C-FIND, or QIDO-RS as user agent): by the identifier of the issuer that is set for the "
        "archive, never by name. A study is taken for the patient's where the answer names that Patient ID, no other Issuer "
        "of Patient ID, and the birth date, and where neither sex nor name contradict; what differs waits for a person. "
        "Studies are fetched by C-GET, C-MOVE or WADO-RS (transfer-syntax=*), in the transfer syntaxes that they are kept in."
    )
    yield "### 3.8 De-identification on the way out (PS3.15 E)"
    yield (
        "A routing rule can send objects under the Basic Application Level Confidentiality Profile, with the options Retain "
        "Longitudinal Temporal Information (full or modified dates), Patient Characteristics, Device Identity, UIDs and "
        "Institution Identity. Where the standard leaves a choice by type, a dummy value is sent. UIDs and Patient IDs become "
        "pseudonyms by HMAC-SHA-256 under a random key of each destination. Not cleaned, and therefore not sent: reports and "
        "encapsulated documents; where it is not allowed, objects with Burned In Annotation YES, and ultrasound, secondary "
        "captures, photographs and the like without Burned In Annotation NO."
    )


def _media() -> Iterator[str]:
    yield "### 3.9 Media storage (PS3.10, PS3.12 V)"
    yield (
        "People with the right `study.export` take objects out as a File-set in a ZIP: File-set Creator, no other role. "
        "DICOMDIR is at its root and has PATIENT, STUDY, SERIES and the records of PS3.3 F.5 for each object; File IDs are "
        "`DICOM/SEnnnnnn/IMnnnnnn`. Objects go out in the transfer syntax they are kept in, corrections laid over; asked "
        "for uncompressed, in Explicit VR Little Endian, so that the File-set can be written under the general purpose "
        "profiles of PS3.11 D. Attributes that a directory must have and an object has not are invented "
        "(Study Date 19000101, Patient ID UNKNOWN). Without patient data, objects go out as in 3.8 with pseudonyms of that "
        "one File-set; what is held back or could not be read is counted in README.TXT. File-sets are not read."
    )


def _workitems() -> Iterator[str]:
    yield "## 4 Unified Procedure Step (PS3.4 CC, PS3.18 11)"
    yield (
        "Push, Pull, Watch, Event and Query; all operations name Push as the SOP class. Subscriptions to one, to all, and to "
        "all that match; deletion locks are granted. A finished Workitem is removed after "
        f"{limits.WORKITEM_KEPT_DAYS} days where no lock holds it. Events wait {limits.WORKITEM_EVENT_KEPT_DAYS} days for a "
        "subscriber that is away; the start of the node is told as SCP Status Change."
    )
    yield (
        "Workitems are others' and the system's own. Each Scheduled Procedure Step is one (Worklist Label ACQUISITION) from "
        "its booking on, and each case of the reading list (READING, Scheduled Workitem Code 110005, DCM, Interpretation) from "
        "its first images on. Of these, order and schedule decide: an N-SET changes progress and what was performed alone, all "
        "else is refused (0106). IN PROGRESS starts the step as an N-CREATE of a Modality Performed Procedure Step does, "
        "COMPLETED and CANCELED end it as its N-SET does (110514, DCM: it is scheduled as before); while a modality's own "
        "performed step is IN PROGRESS, COMPLETED is refused (C304), and CANCELED leaves the step to the modality. All this "
        "needs the right to report performed steps besides. A request to cancel what "
        "is scheduled cancels its appointment. A reading is claimed by a person (by a token, or by User Identity of an "
        "association), for as long as a claim on the reading list holds; it is COMPLETED by the final report, and not before "
        "(C304); a request to cancel one is refused (C313). Codes of stations and sites are of the coding scheme 99WETREAD. "
        "What is given back, runs out or is taken over ends CANCELED and is replaced by another Workitem (Replaced Procedure "
        "Step Sequence), to which its subscribers are subscribed."
    )
    yield _table(
        ("SOP class", "Action types"),
        [
            (
                sopclass.name_of(uid),
                ", ".join(
                    f"{one} ({workitems.Action(one).name.replace('_', ' ').lower()})"
                    for one in sorted(actions)
                ),
            )
            for uid, actions in server.UPS_ACTIONS.items()
        ],
    )
    yield (
        "Attributes. Create: 1 with a value, 2 may be empty or absent, 3 optional, 3/1 optional and left out where it is empty, "
        "- not the requester's to give. Set: 1 not to be emptied, 3 free, - not to be changed. Final: R for both final states, P for COMPLETED, X for CANCELED, O none."
    )
    yield _table(
        ("Attribute", "Create", "Set", "Final", "Required matching key"),
        [
            (one.keyword, one.create, one.update, one.final.value, "yes" if one.match else "no")
            for one in workitems.REQUIREMENTS
        ],
    )
    yield (
        "Inside of sequences, where an attribute has a requirement; of an N-SET each sequence is replaced as a whole, so the "
        "same holds. 1C and 2C: where the attribute named has a value, or that value or code (after <: of the item around); 3/1: "
        "left out where it is empty. "
        "What is missing in an N-CREATE is answered 0120, in an N-SET "
        "0106, what is empty 0121; the Error Comment names the attribute. Every code has a value (short, long or URN), its "
        "scheme where the value is no URN, and a meaning; an output destination says one of its ways. That the images of an item can be retrieved nowhere is let pass."
    )
    yield _table(
        ("Inside", "Attribute", "Create", "Set", "Needed by"),
        [
            (path, row.keyword, row.create, row.update, ", ".join(row.needed_by) or "-")
            for path, row in nested.rows_of()
            if row.create != "3" and row not in nested.CODE.rows
        ],
    )
    yield _table(
        ("Inside", "Attribute", "Final"),
        [
            *(("Performed Procedure Sequence", one.keyword, one.final.value) for one in workitems.PERFORMED),
            ("Performed Procedure Sequence", "OutputInformationSequence", "P (may have no item)"),
            *(
                ("Progress Information Sequence", one.keyword, one.final.value)
                for one in workitems.CANCELLATION
            ),
        ],
    )
    states = list(State)
    yield "Requests to change the state, where the Transaction UID is right:"
    yield _table(
        ("Present state", *(f"to {one.value}" for one in states)),
        [
            (
                one.value,
                *(
                    "goes" if (answer := workitems.TRANSITIONS[one, to]) is None else f"{answer:04X}"
                    for to in states
                ),
            )
            for one in states
        ],
    )
    yield _table(
        ("Status", "Meaning", "HTTP"),
        [
            (
                f"{one:04X}",
                words,
                workitems.WorkitemRefused(one).status if one >= 0xC000 or one == 0x0111 else "warning",
            )
            for one, words in sorted(workitems.WORDS.items())
        ],
    )
    yield (
        "By UPS-RS, attributes of a Workitem in a final state are refused with 400 (PS3.18 11.6.2); the Warning header says "
        "the standard's words, then these, and of a Transaction UID whether it is missing or incorrect."
    )
    yield _table(
        ("Event type", "Event"),
        [(one.value, one.name.replace("_", " ").title()) for one in workitems.EventType],
    )


def _web() -> Iterator[str]:
    yield "## 5 DICOMweb (PS3.18)"
    yield (
        "Base URI `/dicom-web`. Every request needs a bearer token or a session, and the permission of the resource. "
        f"Rendered media types: {', '.join(RENDERED_MEDIA_TYPES)}. The event channel of UPS-RS is "
        "`/dicom-web/subscribers/{subscriber}`, by web socket."
    )
    yield _table(
        ("Method", "Resource", "What", "Query parameters", "Answers"),
        [
            (
                one["method"],
                f"`{path}`",
                one["summary"].split("\n")[0],
                ", ".join(one["parameters"]),
                ", ".join(one["gives"]) or "-",
            )
            for path, methods in capabilities.resources().items()
            for one in methods
        ],
    )


def _character_sets() -> Iterator[str]:
    yield "## 6 Character sets"
    terms = sorted(term for term in python_encoding if term and term.startswith(("ISO", "GB")))
    yield (
        "Understood in what is received, code extensions (ISO 2022) included: "
        + ", ".join(terms)
        + ". Answers to C-FIND "
        "come in the character set of the request where it has the letters, else, as all that this system writes, in "
        "ISO_IR 192 (UTF-8)."
    )


def _security() -> Iterator[str]:
    yield "## 7 Security"
    yield (
        "DIMSE and HTTP over TLS 1.3, or 1.2 with "
        f"`{tls.SUITES}`: BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12); nothing is negotiated "
        "down. Client certificates are verified, and bound to application entities by name. The audit trail follows PS3.15 "
        "A.5 and is chained by hashes; objects are encrypted at rest (AES-256-GCM)."
    )
