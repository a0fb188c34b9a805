-- archive_first
-- The first object of a study or series in a transfer, in one round trip. `p_sealed_key`: the object was sealed with a
-- new key, which is kept together with it; `p_study_key_pk` is that of a known key.
CREATE OR REPLACE FUNCTION archive_first(
    p_study jsonb, p_series jsonb, p_force boolean, p_sealed_key bytea, p_sop_instance_uid text,
    p_sop_class_uid text, p_instance_number integer, p_number_of_frames integer, p_rows integer, p_columns integer,
    p_bits_allocated smallint, p_samples_per_pixel smallint, p_photometric_interpretation text, p_content_date date,
    p_content_time time, p_location text, p_study_key_pk bigint, p_size_bytes bigint, p_dataset_sha256 bytea,
    p_transfer_syntax_uid text, p_dataset_offset integer, p_pixel_data_offset bigint, p_frame_length bigint,
    p_frame_table bytea,
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
    SELECT f.outcome INTO outcome FROM archive_instance(study_pk, series_pk, p_sop_instance_uid, p_sop_class_uid,
        p_instance_number, p_number_of_frames, p_rows, p_columns, p_bits_allocated, p_samples_per_pixel,
        p_photometric_interpretation, p_content_date, p_content_time, p_location, study_key_pk, p_size_bytes,
        p_dataset_sha256, p_transfer_syntax_uid, p_dataset_offset, p_pixel_data_offset, p_frame_length,
        p_frame_table) f;
    IF outcome = 'stored' THEN
        -- Its news are told in the same transaction.
        UPDATE study SET announced_at = clock_timestamp() WHERE study.study_pk = archive_first.study_pk;
    END IF;
END $$;
