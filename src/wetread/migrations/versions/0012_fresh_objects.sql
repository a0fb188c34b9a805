-- archive_begin
-- Sealed bytes do not get smaller.
ALTER TABLE fresh_object ALTER COLUMN content SET STORAGE EXTERNAL;
-- The first object of a study or series in a transfer, with all that belongs to it, in one round trip: its rows, its
-- bytes where they are few (`p_content`), the audit record `p_entry` about the study (`p_first`) or series, and the news
-- `p_keys`, in which the study's key and whether it is new are filled in here.
CREATE OR REPLACE FUNCTION archive_begin(
    p_first boolean, p_entry jsonb, p_kind text, p_keys jsonb, p_channel text, p_content bytea,
    p_study jsonb, p_series jsonb, p_force boolean, p_sealed_key bytea, p_sop_instance_uid text,
    p_sop_class_uid text, p_instance_number integer, p_number_of_frames integer, p_rows integer, p_columns integer,
    p_bits_allocated smallint, p_samples_per_pixel smallint, p_photometric_interpretation text, p_content_date date,
    p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea,
    p_transfer_syntax_uid text, p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint,
    p_frame_table bytea,
    OUT study_pk bigint, OUT series_pk bigint, OUT study_key_pk bigint, OUT outcome text, OUT new_study boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    told jsonb;
BEGIN
    SELECT f.study_pk, f.series_pk, f.study_key_pk, f.outcome, f.new_study
    INTO study_pk, series_pk, study_key_pk, outcome, new_study
    FROM archive_first(p_study, p_series, p_force, p_sealed_key, p_sop_instance_uid, p_sop_class_uid,
        p_instance_number, p_number_of_frames, p_rows, p_columns, p_bits_allocated, p_samples_per_pixel,
        p_photometric_interpretation, p_content_date, p_content_time, p_location, p_study_key_pk, p_size_bytes,
        p_dataset_sha256, p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length,
        p_frame_table) f;
    INSERT INTO audit_record (event_date_time, event_id, event_action_code, event_outcome_indicator, actor_kind, user_pk, user_id, network_access_point_id, patient_pk, study_instance_uid, object_type, object_id, detail)
    SELECT event_date_time, event_id, event_action_code, event_outcome_indicator, actor_kind, user_pk, user_id, network_access_point_id, patient_pk, study_instance_uid, object_type, object_id, detail FROM jsonb_populate_record(
        NULL::audit_record, p_entry || jsonb_build_object('object_id', CASE WHEN p_first THEN study_pk ELSE series_pk END));
    IF outcome <> 'stored' THEN
        RETURN;
    END IF;
    IF p_content IS NOT NULL THEN
        INSERT INTO fresh_object (location, content) VALUES (p_location, p_content);
    END IF;
    told := p_keys || jsonb_build_object('study_pk', study_pk, 'first_image', new_study);
    INSERT INTO outbox_event (kind, keys) VALUES (p_kind, told);
    PERFORM pg_notify(p_channel, jsonb_build_object('kind', p_kind, 'keys', told)::text);
END $$;
