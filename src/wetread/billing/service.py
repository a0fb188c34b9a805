"""The door to the billing room: charges out of procedures and reports, claims mended and put into files."""

from __future__ import annotations

from wetread.billing.answers import correct_claim, keep_claim, record_answer
from wetread.billing.charges import (
    change_charge,
    list_charges,
    procedure_changed,
    report_final,
)
from wetread.billing.claims import (
    ClaimLine,
    ClaimListRow,
    ClaimView,
    QueueCount,
    change_claim,
    change_practitioner,
    get_claim,
    list_claims,
    queue_counts,
    set_coverage,
    void_claim,
)
from wetread.billing.files import (
    BatchResult,
    batch_file,
    batches,
    make_batch,
    mark_sent,
    preview,
    unmake_batch,
)
from wetread.billing.scrubber import (
    recheck,
    recheck_open,
)
from wetread.billing.setup import (
    ProviderInput,
    SubmitterInput,
    fees,
    providers,
    remove_fee,
    save_provider,
    save_submitter,
    set_fee,
    set_site_billing,
    site_billings,
    submitter,
)

__all__ = [
    "BatchResult",
    "ClaimLine",
    "ClaimListRow",
    "ClaimView",
    "ProviderInput",
    "QueueCount",
    "SubmitterInput",
    "batch_file",
    "batches",
    "change_charge",
    "change_claim",
    "change_practitioner",
    "correct_claim",
    "fees",
    "get_claim",
    "keep_claim",
    "list_charges",
    "list_claims",
    "make_batch",
    "mark_sent",
    "preview",
    "procedure_changed",
    "providers",
    "queue_counts",
    "recheck",
    "recheck_open",
    "record_answer",
    "remove_fee",
    "report_final",
    "save_provider",
    "save_submitter",
    "set_coverage",
    "set_fee",
    "set_site_billing",
    "site_billings",
    "submitter",
    "unmake_batch",
    "void_claim",
]  # fmt: skip
