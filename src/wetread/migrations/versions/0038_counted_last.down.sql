DROP FUNCTION archive_first;
DROP FUNCTION archive_grown;
DROP FUNCTION archive_object;
DROP FUNCTION archive_grown_by_one;
DROP FUNCTION archive_series_grown;
DROP FUNCTION archive_note;
CREATE OR REPLACE FUNCTION archive_series(
    p_study jsonb, p_series jsonb, p_force boolean,
    OUT study_pk bigint, OUT series_pk bigint, OUT outcome text, OUT new_study boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s study; t study; r series; q series; named bigint;
BEGIN
    s := jsonb_populate_record(NULL::study, p_study);
    r := jsonb_populate_record(NULL::series, p_series);
    outcome := 'filed'; new_study := false;
    SELECT * INTO t FROM study WHERE study_instance_uid = s.study_instance_uid;
    IF NOT FOUND THEN
        INSERT INTO study (study_instance_uid, study_date, study_time, accession_number, study_id, study_description,
            referring_physician_name, patient_name, patient_id, issuer_of_patient_id, patient_birth_date, patient_sex,
            received_attributes, received_patient_id, received_issuer_of_patient_id)
        VALUES (s.study_instance_uid, s.study_date, s.study_time, s.accession_number, s.study_id, s.study_description,
            s.referring_physician_name, s.patient_name, s.patient_id, s.issuer_of_patient_id, s.patient_birth_date,
            s.patient_sex, s.received_attributes, s.patient_id, s.issuer_of_patient_id)
        ON CONFLICT (study_instance_uid) DO NOTHING
        RETURNING * INTO t;
        new_study := FOUND;
        IF NOT new_study THEN
            SELECT * INTO STRICT t FROM study WHERE study_instance_uid = s.study_instance_uid;
        END IF;
    END IF;
    study_pk := t.study_pk;
    -- An absent issuer says nothing; an identifier must be the received or the corrected one.
    IF NOT p_force AND NOT (
        (s.patient_id IS NOT DISTINCT FROM t.received_patient_id
            AND coalesce(s.issuer_of_patient_id = t.received_issuer_of_patient_id, true))
        OR (s.patient_id IS NOT DISTINCT FROM t.patient_id
            AND coalesce(s.issuer_of_patient_id = t.issuer_of_patient_id, true))
    ) THEN
        outcome := 'patient-differs';
        RETURN;
    END IF;
    SELECT * INTO q FROM series WHERE series_instance_uid = r.series_instance_uid;
    IF NOT FOUND THEN
        named := t.study_pk;
        WHILE t.merged_into_study_pk IS NOT NULL LOOP
            SELECT * INTO STRICT t FROM study WHERE study_pk = t.merged_into_study_pk;
        END LOOP;
        study_pk := t.study_pk;
        IF EXISTS (SELECT FROM removal m WHERE m.removal_pk = t.removal_pk AND m.level = 'STUDY'
                AND m.cause <> 'emptied') THEN
            outcome := 'removed';
            RETURN;
        END IF;
        INSERT INTO series (received_study_pk, study_pk, series_instance_uid, modality, series_number, series_description, series_date,
            series_time, body_part_examined, laterality, protocol_name, institution_name, station_name, manufacturer,
            manufacturer_model_name, performed_procedure_step_id, performed_procedure_step_start_date,
            performed_procedure_step_start_time, scheduled_procedure_step_id, requested_procedure_id,
            source_application_entity_title)
        VALUES (nullif(named, t.study_pk), t.study_pk, r.series_instance_uid, r.modality, r.series_number, r.series_description, r.series_date,
            r.series_time, r.body_part_examined, r.laterality, r.protocol_name, r.institution_name, r.station_name,
            r.manufacturer, r.manufacturer_model_name, r.performed_procedure_step_id,
            r.performed_procedure_step_start_date, r.performed_procedure_step_start_time,
            r.scheduled_procedure_step_id, r.requested_procedure_id, r.source_application_entity_title)
        ON CONFLICT (series_instance_uid) DO NOTHING
        RETURNING * INTO q;
        IF FOUND THEN
            UPDATE study SET number_of_study_related_series = number_of_study_related_series + 1,
                modalities_in_study = CASE
                    WHEN r.modality IS NULL OR r.modality = ANY(modalities_in_study) THEN modalities_in_study
                    ELSE modalities_in_study || r.modality END
            WHERE study_pk = t.study_pk;
        ELSE
            SELECT * INTO STRICT q FROM series WHERE series_instance_uid = r.series_instance_uid;
        END IF;
    END IF;
    series_pk := q.series_pk;
    IF EXISTS (SELECT FROM removal m WHERE m.removal_pk = q.removal_pk AND m.level <> 'IMAGE') THEN
        outcome := 'removed';
    ELSIF q.study_pk <> t.study_pk THEN
        -- A series that a person moved takes what still comes for it with it.
        IF q.received_study_pk = t.study_pk THEN
            study_pk := q.study_pk;
        ELSE
            outcome := 'series-moved';
        END IF;
    END IF;
END $$;

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
