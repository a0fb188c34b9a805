-- appointment_beside_overbooked
CREATE OR REPLACE FUNCTION appointment_beside_overbooked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('cancelled', 'noshow') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        -- What takes no time that it did not have before is no booking.
        IF OLD.state NOT IN ('cancelled', 'noshow')
           AND OLD.modality_resource_pk = NEW.modality_resource_pk
           AND tstzrange(OLD.starts_at, OLD.ends_at) @> tstzrange(NEW.starts_at, NEW.ends_at)
           AND (NEW.overbook_reason IS NOT NULL OR OLD.overbook_reason IS NULL) THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM 1 FROM modality_resource WHERE modality_resource_pk = NEW.modality_resource_pk FOR NO KEY UPDATE;
    IF NEW.overbook_reason IS NULL AND EXISTS (
        SELECT 1 FROM appointment
        WHERE modality_resource_pk = NEW.modality_resource_pk
          AND appointment_pk <> NEW.appointment_pk
          AND state NOT IN ('cancelled', 'noshow')
          AND overbook_reason IS NOT NULL
          AND tstzrange(starts_at, ends_at) && tstzrange(NEW.starts_at, NEW.ends_at)
    ) THEN
        RAISE EXCEPTION 'appointment_no_double_booking: an overbooked appointment takes this time'
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'appointment_no_double_booking';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER appointment_beside_overbooked BEFORE INSERT OR UPDATE ON appointment
    FOR EACH ROW EXECUTE FUNCTION appointment_beside_overbooked();
