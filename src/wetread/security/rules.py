"""Roles, permissions and audit vocabulary: pure tables."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The people who use the system."""

    RADIOLOGIST = "radiologist"
    TECHNOLOGIST = "technologist"
    FRONT_DESK = "front_desk"
    REFERRER = "referrer"
    BILLER = "biller"
    MANAGER = "manager"
    ADMIN = "admin"


class Permission(StrEnum):
    """What can be allowed. `<noun>.<verb>`; object-level visibility is decided beside it."""

    PATIENT_READ = "patient.read"
    PATIENT_WRITE = "patient.write"
    ORDER_READ = "order.read"
    ORDER_WRITE = "order.write"
    SCHEDULE_READ = "schedule.read"
    SCHEDULE_WRITE = "schedule.write"
    STEP_PERFORM = "step.perform"
    STUDY_READ = "study.read"
    STUDY_STORE = "study.store"
    RECONCILE = "study.reconcile"
    STUDY_EXPORT = "study.export"  # pictures, prints and files that leave the house by a person's hand
    STUDY_REMOVE = "study.remove"
    HOLD = "study.hold"
    READING_LIST = "reading_list.read"
    REPORT_READ = "report.read"
    REPORT_WRITE = "report.write"
    REPORT_SIGN = "report.sign"
    RESULT_READ = "result.read"
    BILLING_READ = "billing.read"
    BILLING_WRITE = "billing.write"
    ANALYTICS_READ = "analytics.read"
    QUEUE_READ = "queue.read"
    QUEUE_WRITE = "queue.write"
    WORKITEM_READ = "workitem.read"
    WORKITEM_WRITE = "workitem.write"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_WRITE = "quarantine.write"
    CONFIG_READ = "config.read"
    CONFIG_WRITE = "config.write"
    USER_ADMIN = "user.admin"
    AUDIT_READ = "audit.read"
    HANGING_SHARE = "hanging_protocol.share"  # with a site; with everybody an administrator
    LIVE_START = "live_session.start"
    LIVE_JOIN = "live_session.join"  # a guest holds nothing else
    SELF = "self"  # one's own account; every signed-in person has it


P = Permission
_CLINICAL = {P.SELF, P.PATIENT_READ, P.ORDER_READ, P.SCHEDULE_READ, P.STUDY_READ, P.REPORT_READ}
_WORKITEMS = {P.WORKITEM_READ, P.WORKITEM_WRITE}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.RADIOLOGIST: frozenset(
        _WORKITEMS
        | _CLINICAL
        | {P.READING_LIST, P.REPORT_WRITE, P.REPORT_SIGN, P.RECONCILE, P.RESULT_READ, P.STUDY_REMOVE, P.HOLD}
        | {P.HANGING_SHARE, P.LIVE_START, P.LIVE_JOIN, P.STUDY_EXPORT}
    ),
    Role.TECHNOLOGIST: frozenset(
        _WORKITEMS
        | _CLINICAL
        | {P.SCHEDULE_WRITE, P.STEP_PERFORM, P.STUDY_STORE, P.RECONCILE, P.PATIENT_WRITE, P.STUDY_REMOVE}
        | {P.LIVE_START, P.LIVE_JOIN, P.STUDY_EXPORT}
    ),
    Role.FRONT_DESK: frozenset(
        {P.SELF, P.PATIENT_READ, P.PATIENT_WRITE, P.ORDER_READ, P.ORDER_WRITE, P.SCHEDULE_READ}
        | {P.SCHEDULE_WRITE}
    ),
    # A referrer sees studies and reports of his own patients only; the sharing room narrows these.
    Role.REFERRER: frozenset({P.SELF, P.RESULT_READ, P.STUDY_READ, P.LIVE_JOIN}),
    # Billing sees codes and dates, never a report's text.
    Role.BILLER: frozenset({P.SELF, P.PATIENT_READ, P.ORDER_READ, P.BILLING_READ, P.BILLING_WRITE}),
    Role.MANAGER: frozenset({P.SELF, P.ANALYTICS_READ, P.ORDER_READ, P.SCHEDULE_READ, P.BILLING_READ}),
    Role.ADMIN: frozenset(
        {P.SELF, P.CONFIG_READ, P.CONFIG_WRITE, P.USER_ADMIN, P.AUDIT_READ, P.QUEUE_READ, P.QUEUE_WRITE}
        | {P.QUARANTINE_READ, P.QUARANTINE_WRITE, P.STUDY_STORE, P.STUDY_REMOVE, P.HOLD}
        | {P.HANGING_SHARE}
    ),
}


def permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    """All that any of the roles allows."""
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles))


class AuditEventID(StrEnum):
    """PS3.15 A.5.3, code values of CID 400 in scheme DCM."""

    APPLICATION_ACTIVITY = "110100"
    AUDIT_LOG_USED = "110101"
    BEGIN_TRANSFER = "110102"
    INSTANCES_ACCESSED = "110103"
    INSTANCES_TRANSFERRED = "110104"
    STUDY_DELETED = "110105"
    EXPORT = "110106"
    IMPORT = "110107"
    NETWORK_ENTRY = "110108"
    ORDER_RECORD = "110109"
    PATIENT_RECORD = "110110"
    PROCEDURE_RECORD = "110111"
    QUERY = "110112"
    SECURITY_ALERT = "110113"
    USER_AUTHENTICATION = "110114"


AUDIT_ACTIONS = frozenset("CRUDE")  # Create, Read, Update, Delete, Execute


def valid_npi(npi: str) -> bool:
    """National Provider Identifier: ten digits, Luhn over `80840` and the number (45 CFR 162.406)."""
    if len(npi) != 10 or not (npi.isascii() and npi.isdecimal()) or npi[0] not in "12":
        return False
    total = 0
    for index, digit in enumerate(reversed("80840" + npi)):
        doubled = int(digit) * (1 + index % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
