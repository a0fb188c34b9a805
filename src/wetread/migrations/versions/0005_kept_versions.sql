-- report_version_is_immutable
CREATE OR REPLACE FUNCTION report_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'signed report versions never change' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER report_version_guard BEFORE UPDATE OR DELETE ON report_version
    FOR EACH ROW EXECUTE FUNCTION report_version_is_immutable();
CREATE OR REPLACE TRIGGER report_version_guard_truncate BEFORE TRUNCATE ON report_version
    FOR EACH STATEMENT EXECUTE FUNCTION report_version_is_immutable();
