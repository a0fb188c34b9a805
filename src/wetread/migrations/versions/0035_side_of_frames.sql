DROP FUNCTION archive_begin;
DROP FUNCTION archive_first;
DROP FUNCTION archive_instance;
-- archive_ingest
-- `p_content`: its sealed bytes, where they are few.
CREATE OR REPLACE FUNCTION archive_instance(
    p_study_pk bigint, p_series_pk bigint, p_sop_instance_uid text, p_sop_class_uid text, p_instance_number integer,
    p_number_of_frames integer, p_rows integer, p_columns integer, p_bits_allocated smallint,
    p_samples_per_pixel smallint, p_photometric_interpretation text, p_image_laterality text, p_frame_laterality text, p_content_date date,
    p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea, p_transfer_syntax_uid text,
    p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint, p_frame_table bytea,
    p_content bytea,
    OUT outcome text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made bigint; known bytea; removed bigint; place bigint;
BEGIN
    INSERT INTO instance (series_pk, study_pk, sop_instance_uid, sop_class_uid, instance_number, number_of_frames,
        rows, columns, bits_allocated, samples_per_pixel, photometric_interpretation, image_laterality, frame_laterality,
        content_date, content_time)
    VALUES (p_series_pk, p_study_pk, p_sop_instance_uid, p_sop_class_uid, p_instance_number, p_number_of_frames,
        p_rows, p_columns, p_bits_allocated, p_samples_per_pixel, p_photometric_interpretation, p_image_laterality,
        p_frame_laterality, p_content_date, p_content_time)
    ON CONFLICT (sop_instance_uid) DO NOTHING
    RETURNING instance_pk INTO made;
    IF NOT FOUND THEN
        -- What was compressed here is known by what it was when it came.
        SELECT coalesce(c.received_dataset_sha256, o.dataset_sha256), i.removal_pk
        INTO known, removed
        FROM instance i LEFT JOIN stored_object o ON o.instance_pk = i.instance_pk AND o.role = 'original'
            LEFT JOIN compressed_object c ON c.stored_object_pk = o.stored_object_pk
        WHERE i.sop_instance_uid = p_sop_instance_uid;
        outcome := CASE WHEN removed IS NOT NULL THEN 'removed'
            WHEN known = p_dataset_sha256 THEN 'duplicate' ELSE 'content-differs' END;
        RETURN;
    END IF;
    INSERT INTO stored_object (instance_pk, role, location, study_key_pk, size_bytes, dataset_sha256,
        transfer_syntax_uid, dataset_offset, pixel_data_offset, frame_length, frame_table)
    VALUES (made, 'original', p_location, p_study_key_pk, p_size_bytes, p_dataset_sha256,
        p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length, p_frame_table);
    UPDATE series SET number_of_series_related_instances = number_of_series_related_instances + 1,
        updated_at = clock_timestamp()
    WHERE series_pk = p_series_pk
    RETURNING study_pk, removal_pk INTO place, removed;
    IF place <> p_study_pk OR removed IS NOT NULL
            AND EXISTS (SELECT FROM removal m WHERE m.removal_pk = removed AND m.level <> 'IMAGE') THEN
        -- Moved or removed while this came: its place is looked up again.
        RAISE foreign_key_violation USING MESSAGE = 'the series is not in this study any more';
    END IF;
    IF removed IS NOT NULL THEN
        UPDATE series SET removal_pk = NULL WHERE series_pk = p_series_pk;
    END IF;
    UPDATE study SET number_of_study_related_instances = number_of_study_related_instances + 1,
        updated_at = clock_timestamp(), removal_pk = NULL,
        sop_classes_in_study = CASE WHEN p_sop_class_uid = ANY(sop_classes_in_study) THEN sop_classes_in_study
            ELSE sop_classes_in_study || p_sop_class_uid::varchar END
    WHERE study_pk = p_study_pk;
    IF p_content IS NOT NULL THEN
        INSERT INTO fresh_object (location, content) VALUES (p_location, p_content);
    END IF;
    outcome := 'stored';
END $$;
-- archive_first
-- The first object of a study or series in a transfer, in one round trip. `p_sealed_key`: the object was sealed with a
-- new key, which is kept together with it; `p_study_key_pk` is that of a known key; `p_content`: as archive_instance has it.
CREATE OR REPLACE FUNCTION archive_first(
    p_study jsonb, p_series jsonb, p_force boolean, p_sealed_key bytea, p_sop_instance_uid text,
    p_sop_class_uid text, p_instance_number integer, p_number_of_frames integer, p_rows integer, p_columns integer,
    p_bits_allocated smallint, p_samples_per_pixel smallint, p_photometric_interpretation text,
    p_image_laterality text, p_frame_laterality text, p_content_date date, p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea,
    p_transfer_syntax_uid text, p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint,
    p_frame_table bytea, p_content bytea,
    OUT study_pk bigint, OUT series_pk bigint, OUT study_key_pk bigint, OUT outcome text, OUT new_study boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    SELECT f.study_pk, f.series_pk, f.outcome, f.new_study INTO study_pk, series_pk, outcome, new_study
    FROM archive_series(p_study, p_series, p_force) f;
    study_key_pk := p_study_key_pk;
    IF outcome <> 'filed' THEN
        RETURN;
    END IF;
    IF p_sealed_key IS NOT NULL THEN
        INSERT INTO study_key (study_instance_uid, sealed_key)
        VALUES (p_study ->> 'study_instance_uid', p_sealed_key)
        RETURNING study_key.study_key_pk INTO study_key_pk;
    END IF;
    outcome := archive_instance(study_pk, series_pk, p_sop_instance_uid, p_sop_class_uid,
        p_instance_number, p_number_of_frames, p_rows, p_columns, p_bits_allocated, p_samples_per_pixel,
        p_photometric_interpretation, p_image_laterality, p_frame_laterality, p_content_date, p_content_time, p_location, study_key_pk, p_size_bytes,
        p_dataset_sha256, p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length,
        p_frame_table, p_content);
    IF outcome = 'stored' THEN
        -- Its news are told in the same transaction.
        UPDATE study SET announced_at = clock_timestamp() WHERE study.study_pk = archive_first.study_pk;
    END IF;
END $$;
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
    p_bits_allocated smallint, p_samples_per_pixel smallint, p_photometric_interpretation text,
    p_image_laterality text, p_frame_laterality text, p_content_date date, p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea,
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
        p_photometric_interpretation, p_image_laterality, p_frame_laterality, p_content_date, p_content_time, p_location, p_study_key_pk, p_size_bytes,
        p_dataset_sha256, p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length,
        p_frame_table, p_content) f;
    INSERT INTO audit_record (event_date_time, event_id, event_action_code, event_outcome_indicator, actor_kind, user_pk, user_id, network_access_point_id, patient_pk, study_instance_uid, object_type, object_id, detail)
    SELECT event_date_time, event_id, event_action_code, event_outcome_indicator, actor_kind, user_pk, user_id, network_access_point_id, patient_pk, study_instance_uid, object_type, object_id, detail FROM jsonb_populate_record(
        NULL::audit_record, p_entry || jsonb_build_object('object_id', CASE WHEN p_first THEN study_pk ELSE series_pk END));
    IF outcome <> 'stored' THEN
        RETURN;
    END IF;
    told := p_keys || jsonb_build_object('study_pk', study_pk, 'first_image', new_study);
    INSERT INTO outbox_event (kind, keys) VALUES (p_kind, told);
    PERFORM pg_notify(p_channel, jsonb_build_object('kind', p_kind, 'keys', told)::text);
END $$;
