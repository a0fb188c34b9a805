"""A limit on everything, named, in one place. Units last in the name."""

from __future__ import annotations

from typing import Final

# HTTP
REQUEST_BODY_BYTES_MAX: Final = 4 * 1024 * 1024  # JSON bodies; STOW-RS streams have their own limit
PAGE_ITEMS_MAX: Final = 500
MEASUREMENTS_MAX: Final = 500  # kept at once
HANGING_PROTOCOLS_MAX: Final = 200  # of one person, one site, or everybody
MEASUREMENT_POINTS_MAX: Final = 4000
PRESENTED_IMAGES_MAX: Final = 2000
SEARCH_TEXT_CHARACTERS_MAX: Final = 200
LIVE_CONNECTIONS_MAX: Final = 500
WEB_CONNECTIONS_MAX: Final = 2000  # open at once in one process; more are answered with 503
WEB_HEADERS_S: Final = 30.0  # from the first byte of a request (of a connection) to the last of its headers
WEB_STALL_S: Final = 60.0  # by which a line may be behind the rate below
WEB_BYTES_A_SECOND_MIN: Final = 4096  # in which bodies move while they are waited for
WEB_LAGGARDS_MAX: Final = 200  # lines of one process that are behind by a quarter of that time

# Identity
PASSWORD_CHARACTERS_MIN: Final = 15
PASSWORD_CHARACTERS_MAX: Final = 256
LOGIN_FAILURES_BEFORE_DELAY: Final = 5
LOGIN_FAILURES_BEFORE_LOCK: Final = 10
LOGIN_LOCK_S: Final = 15 * 60
LOGIN_NAME_FORGET_S: Final = 24 * 3600  # after the last attempt, failures of a name count no more
LOGIN_ADDRESS_FAILURES_MAX: Final = 30  # of one network address, whichever accounts are tried
LOGIN_ADDRESS_FORGET_S: Final = 30  # after which one of them counts no more
SESSION_IDLE_S: Final = 15 * 60
SESSION_ABSOLUTE_S: Final = 12 * 3600
INVITATION_S: Final = 72 * 3600

# Jobs
JOB_ATTEMPTS_MAX: Final = 10
NOTICES_KEPT_DAYS: Final = 90
NOTICES_COUNTED_MAX: Final = 100  # unread ones; more are said as "99+"
EVENT_BATCH_MAX: Final = 200
AUDIT_SEAL_BATCH_MAX: Final = 2000

# HL7 interfaces
HL7_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
HL7_LINES_MAX: Final = 50_000  # of one message: segments, and lines of text
HL7_PARTS_MAX: Final = 500_000  # fields, repetitions, components and their parts in one message
HL7_IDENTIFIERS_MAX: Final = 50  # of one patient in a message
HL7_ORDERS_MAX: Final = 200  # in one message
HL7_DIAGNOSES_MAX: Final = 200  # in one message
HL7_CONNECTIONS_MAX: Final = 64
HL7_IDLE_S: Final = 300
HL7_MESSAGE_S: Final = 300  # from the first bytes of a message to its end
HL7_CONNECT_S: Final = 5
HL7_HANDSHAKE_S: Final = 5
HL7_ACKNOWLEDGMENT_S: Final = 20
INTERFACE_ATTEMPTS_MAX: Final = 10

# Archive
OBJECT_BYTES_MAX: Final = 16 * 1024**3
OBJECT_HEAD_BYTES_MAX: Final = 32 * 1024 * 1024  # buffered until the header is read
ARCHIVE_HELD_BYTES_MAX: Final = 64 * 1024  # sealed objects below it are kept with their rows at first
ARCHIVE_HASHED_LATE_BYTES_MAX: Final = 1024 * 1024  # memory of one association
ARCHIVE_FRESH_BYTES_MAX: Final = 64 * 1024 * 1024  # of those, in one process
ARCHIVE_RECOVERY_INSTANCES_MAX: Final = 20_000
TRASH_DAYS: Final = 30  # until a hospital decides otherwise
TRASH_DAYS_MAX: Final = 3650
PURGE_REMOVALS_A_JOB: Final = 20
DESTROY_OBJECTS_A_JOB: Final = 500
RETENTION_STUDIES_A_JOB: Final = 500
RETENTION_PREVIEW_ROWS: Final = 200
RETENTION_RULES_MAX: Final = 100
CORRECTED_SERIES_MAX: Final = 2000  # moved in one act
CORRECTED_IMAGES_MAX: Final = 2000  # split off in one act
REJECTED_INSTANCES_MAX: Final = 100_000  # named by one rejection note

# Billing
CLAIMS_PER_FILE_MAX: Final = 5000  # 005010X222A1 recommends at most this many CLM in one ST
OBJECT_JSON_BYTES_MAX: Final = 64 * 1024 * 1024  # of a data set without pixel data, for its metadata
OBJECT_DECODE_BYTES_MAX: Final = 1024**3
INFLATED_KEPT_BYTES_MAX: Final = 128 * 1024 * 1024  # of one object, whose frames are read one after the other
FRAME_DECODE_BYTES_MAX: Final = 512 * 1024 * 1024  # one decoded frame
DECODE_S: Final = 30
DECODER_MEMORY_BYTES: Final = 3 * 1024**3
RENDERED_PIXELS_MAX: Final = 8192 * 8192
QIDO_OBJECTS_MAX: Final = 20_000  # series or instances in one answer
QIDO_INCLUDE_SERIES_MAX: Final = 200  # of which attributes beyond the index are read for one answer
OPENING_METADATA_BYTES_MAX: Final = 256 * 1024  # gzipped, in the one answer that a study is opened by
FRAMES_A_REQUEST_MAX: Final = 500
COARSE_FRAMES_A_REQUEST_MAX: Final = 64  # whose names still fit into the address of a request
STOW_OBJECTS_MAX: Final = 100_000
EXPORT_STUDIES_MAX: Final = 50  # in one file-set
EXPORT_OBJECTS_MAX: Final = 100_000
EXPORT_PLANE_SIDE_MAX: Final = 4096  # pixels, of a plane as it was drawn
EXPORT_PICTURES_MAX: Final = 5_000  # in one record of pictures that were made in a browser
STORE_CHECK_SLICE_S: Final = 4.0  # of each minute, reading again what is kept
STORE_MOVE_SLICE_S: Final = 15.0  # of moving objects from store to store, before other work has its turn
STORE_MOVE_CLOSED_S: Final = 15.0  # until every process knows that a store takes nothing new
STORE_MOVE_FAULT_S: Final = 30.0  # before a store that failed is tried again
STORE_MOVE_BYTES_AT_ONCE: Final = 256 * 1024 * 1024
STORE_MOVE_BYTES_A_SECOND_MIN: Final = 100_000
COMPRESSED_OBJECTS_A_JOB: Final = 32  # then other background work has its turn
COMPRESSION_ATTEMPTS_MAX: Final = 12  # then a person must look
COMPRESSED_KEEP_RECEIVED_S: Final = 24 * 3600  # what was received stays beside its compressed form at first
PARTING_OBJECTS_A_JOB: Final = 200
TIER_STUDIES_A_JOB: Final = 50
TIER_STUDIES_PLACED_AT_ONCE: Final = 10_000
TIER_RULES_MAX: Final = 50
TIER_DAYS_UNSEEN_MAX: Final = 36_500
STORE_CHECK_EVERY_DAYS: Final = 30  # from the beginning of one round to that of the next
HEADERS_READ_A_JOB: Final = 200  # again, for what the index did not keep when they came
HEADERS_READ_PAUSE_S: Final = 1.0  # between such jobs: nobody waits for it
HEADERS_READ_AFTER_STREAM_S: Final = 60.0
PREPARE_STUDY_AFTER_S: Final = 3  # after its last news, a study is made ready for viewing
PREPARE_STUDY_AT_LATEST_S: Final = 20.0  # then too, where objects stream in all the time
ECHO_S: Final = 8.0
TRANSCODE_BYTES_MAX: Final = 512 * 1024 * 1024  # an object put into another transfer syntax, in memory
PEER_ANSWER_S: Final = 60.0  # a peer that is silent for so long is given up
COMMITMENT_OBJECTS_MAX: Final = 50_000  # in one request for storage commitment
COMMITMENT_CLAIM_S: Final = 60  # whoever reports a commitment and is not heard of for so long has died
DICOM_NODE_SEEN_S: Final = 15  # a node that has not told for so long is gone
WORKITEM_BYTES_MAX: Final = 1024 * 1024  # of a Workitem's data set
WORKITEM_MATCHES_MAX: Final = 5_000  # of one search
WORKITEM_SCANNED_MAX: Final = 50_000  # that one search looks at, where the database cannot narrow them down
WORKITEM_SUBSCRIBERS_MAX: Final = 200  # of one Workitem, and of all
WORKITEM_INSTANCES_MAX: Final = 20_000  # that the Workitem of a step of the house names
WORKITEM_KEPT_DAYS: Final = 90  # after its end, where nobody holds it by a deletion lock
WORKITEM_EVENT_KEPT_DAYS: Final = 7  # for who has not come to hear it
WORKITEM_EVENT_BATCH_MAX: Final = 100
EVENT_CHANNELS_MAX: Final = 200

# Live sessions
TOGETHER_SESSION_S: Final = 8 * 3600
TOGETHER_LINK_MINUTES_MAX: Final = 8 * 60
TOGETHER_STUDIES_MAX: Final = 20
TOGETHER_PARTICIPANTS_MAX: Final = 20
TOGETHER_CONNECTIONS_MAX: Final = 300  # of one process
TOGETHER_DIRECTORY_MAX: Final = 20
TOGETHER_MESSAGE_CHARACTERS_MAX: Final = 2000
TOGETHER_MESSAGES_MAX: Final = 2000
TOGETHER_FRAME_BYTES_MAX: Final = 64 * 1024  # one message over the socket
TOGETHER_DOCUMENT_BYTES_MAX: Final = 1024 * 1024
TOGETHER_VALUE_BYTES_MAX: Final = 32 * 1024  # of one key
TOGETHER_KEYS_MAX: Final = 600  # of one part
TOGETHER_FRAMES_A_SECOND: Final = 80  # of one participant, on average
TOGETHER_FRAMES_AT_ONCE: Final = 240
TOGETHER_BYTES_A_SECOND: Final = 256 * 1024
TOGETHER_WAITING_MAX: Final = 500  # messages that a slow line has not taken yet
TOGETHER_AWARENESS_BYTES_MAX: Final = 2000
TOGETHER_SIGNAL_BYTES_MAX: Final = 16 * 1024
TOGETHER_SAVE_S: Final = 1.0
TOGETHER_LOOK_S: Final = 5.0  # who may be in is looked up again, should news have been missed
OWN_KEYS_MAX: Final = 400  # more than the client has
