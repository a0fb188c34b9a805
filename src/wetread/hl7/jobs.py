"""Background work of the HL7 edge: deliver what is queued, apply again what a person corrected."""

from __future__ import annotations

from wetread.hl7.client import NoAcknowledgment, encrypted, send
from wetread.hl7.inbound import InterfaceSettings, reprocess
from wetread.jobs.service import Retry, task
from wetread.patients.service import issuer_of_our_identifiers
from wetread.security.service import Work
from wetread.sharing import messages_service as queue


@task(queue.DELIVER_TASK, retry=Retry(max_attempts=3))
def deliver(work: Work, interface_receiver_pk: int) -> None:
    """Sends the receiver's oldest waiting message once, records the answer, and has the next one looked at.

    Killed before the commit, the message is still queued and is sent again with the same MSH-10, by which the
    receiver knows it.
    """
    head = queue.deliver_head(work, interface_receiver_pk)
    if head is None:
        return
    try:
        receiver = head.receiver
        ack = send(
            receiver.host,
            receiver.port,
            head.message.content,
            context=encrypted() if receiver.is_encrypted else None,
            certificate_name=receiver.certificate_name,
        )
    except NoAcknowledgment as failed:
        queue.record_delivery(
            work, head, acknowledgment=None, acknowledgment_code=None, error_text=str(failed)
        )
        return
    queue.record_delivery(
        work,
        head,
        acknowledgment=ack.message.encode(),
        acknowledgment_code=ack.code,
        error_text=None if ack.accepted else (ack.text or f"Answered {ack.code} without a reason"),
    )


@task("hl7.look_after", cron="* * * * *")
def look_after(work: Work) -> None:
    """Wakes receivers whose wake-up was lost; every minute."""
    for interface_receiver_pk in queue.waiting_receivers(work):
        queue.wake(work, interface_receiver_pk)


@task(queue.PROCESS_TASK, retry=Retry(max_attempts=3))
def process(work: Work, interface_message_pk: int) -> None:
    """Applies a received message again, after a correction here."""
    reprocess(work, interface_message_pk, InterfaceSettings(issuer_of_our_identifiers()))
