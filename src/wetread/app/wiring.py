"""Gives the rooms their collaborators: what a lower room asks for as a Protocol, a higher one or an edge provides."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import orjson
import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from wetread.app.build import House
from wetread.app.forwarding import post_as, sender_as
from wetread.app.peers import context_of, means_of_notification, reporter_as, workitem_reporter_as
from wetread.app.priors import PeerNetwork
from wetread.app.wanted import needed
from wetread.archive.commitment import use_reporter
from wetread.archive.corrections import use_order_check
from wetread.archive.integrity import check_soon
from wetread.archive.service import Archive, Damaged, Rendering, use_archive
from wetread.archive.tiering import use_needed
from wetread.archive.tiers import Stores
from wetread.availability.service import use_means
from wetread.dicom.orientation import edges_of, side_of
from wetread.hl7.client import use_context
from wetread.kit.errors import WetreadError
from wetread.patients.service import use_issuer
from wetread.priors.model import FetchState, RemoteStudy
from wetread.priors.service import use_network
from wetread.reporting.model import Report, ReportProcedure
from wetread.reporting.pictures import KeyPicture, Renderer, place_of, use_renderer
from wetread.reporting.service import MarkedImage
from wetread.routing.service import use_key, use_sender
from wetread.routing.telling import use_post
from wetread.scheduling.linking import use_foreign
from wetread.scheduling.model import StudyLink
from wetread.scheduling.service import AcquisitionKeeper
from wetread.scheduling.unscheduled import use_reported
from wetread.security.service import Work, use_guests
from wetread.sharing.exports import use_export_policy
from wetread.sharing.exports_rules import ExportPolicy
from wetread.sharing.service import OwnPatients, ReleasePolicy, use_release_policy
from wetread.together.service import SeenTogether, actor_of_pass, use_policy
from wetread.workitems.model import StepKind
from wetread.workitems.service import use_keeper, use_title
from wetread.workitems.service import use_reporter as use_workitem_reporter
from wetread.worklist.service import ReadingKeeper

log = structlog.get_logger(__name__)
PICTURE_PIXELS = (900, 900)  # three a line on A4, fine enough for print


def wire(house: House) -> Archive:
    """Called once in every process, after the models are loaded."""
    use_issuer(house.settings.issuer_of_patient_id)
    archive = Archive(
        house.database,
        house.offices,
        Stores.of(house.settings.stores_in_order, house.database),
        house.master_key,
        visibility=SeenTogether(OwnPatients()),
        redo_folder=house.settings.redo_path,
    )
    use_archive(archive)
    archive.vault.on_damage = partial(check_soon, archive)
    use_guests(actor_of_pass)
    use_policy(names_patient=house.settings.live_session_names_patient)
    use_renderer(renderer_of(archive))
    use_order_check(hangs_on_order)
    use_foreign(fetched)
    use_reported(reported)
    use_reporter(reporter_as(house.settings))
    use_workitem_reporter(workitem_reporter_as(house.settings))
    use_needed(needed)
    use_means(means_of_notification(house.settings))
    use_title(house.settings.ae_title)
    use_keeper(StepKind.ACQUISITION, AcquisitionKeeper())
    use_keeper(StepKind.READING, ReadingKeeper(house.settings.ae_title))
    use_context(context_of(house.settings))
    use_sender(sender_as(house.settings))
    use_key(house.master_key)
    use_post(post_as(house.settings))
    use_network(PeerNetwork(house.settings), house.master_key)
    use_release_policy(ReleasePolicy(preliminary=house.settings.results_release_preliminary))
    use_export_policy(ExportPolicy(referrers=house.settings.referrers_may_export))
    return archive


def hangs_on_order(session: Session, study_pk: int) -> bool:
    """Whether a study was linked to an order, whose patient then is the study's."""
    found = exists().where(
        StudyLink.study_pk == study_pk,
        StudyLink.requested_procedure_pk.is_not(None),
        StudyLink.state.in_(("matched", "resolved")),
    )
    return bool(session.scalar(select(found)))


def reported(session: Session, requested_procedure_pk: int) -> bool:
    """Whether somebody signed a report on a Requested Procedure, or is writing one."""
    found = exists().where(
        ReportProcedure.requested_procedure_pk == requested_procedure_pk,
        ReportProcedure.report_pk == Report.report_pk,
        (Report.state != "draft") | (Report.draft_revision > 1),
    )
    return bool(session.scalar(select(found)))


def fetched(session: Session, study_instance_uids: Collection[str]) -> set[str]:
    """Of these studies, those that came, or are coming, because they were fetched from another archive."""
    coming = (FetchState.WAITING, FetchState.FETCHING, FetchState.FETCHED)
    return set(
        session.scalars(
            select(RemoteStudy.study_instance_uid).where(
                RemoteStudy.study_instance_uid.in_(study_instance_uids),
                RemoteStudy.fetch_state.in_(coming),
            )
        )
    )


def renderer_of(archive: Archive) -> Renderer:
    """Draws key images for the printed report. Who may see the report was decided by the use case that prints it."""

    def render(work: Work, image: MarkedImage) -> KeyPicture | None:
        found = archive.retrieval.objects(work.session, sop_instance_uids=[image.sop_instance_uid])
        window = image.window
        how = Rendering(
            viewport=PICTURE_PIXELS,
            window=(window.window_center, window.window_width) if window else None,
            function=window.voi_lut_function.lower() if window else None,
        )
        if not found:
            return None
        stored = found[0].stored
        try:
            content = archive.retrieval.rendered(stored, image.frame_number, how)
            (document,) = orjson.loads(archive.retrieval.instance_metadata(stored))
        except (WetreadError, Damaged) as error:
            # A report goes out with its text even where one of its pictures cannot be drawn.
            log.warning("key image not drawn", error=type(error).__name__, frame_number=image.frame_number)
            return None
        return KeyPicture(
            content,
            image.note,
            side_of(document, image.frame_number),
            place_of(document, stored.number_of_frames, image.frame_number),
            edges_of(document, image.frame_number),
        )

    return render
