DROP SEQUENCE IF EXISTS interchange_control_number;
DROP TRIGGER IF EXISTS report_version_guard ON report_version;
DROP FUNCTION IF EXISTS report_version_is_immutable();
DROP FUNCTION IF EXISTS archive_series; DROP FUNCTION IF EXISTS archive_instance;
DROP SEQUENCE IF EXISTS patient_number;
DROP TABLE IF EXISTS procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers CASCADE;
DO $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE proname LIKE 'procrastinate\_%' AND pronamespace = 'public'::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || it.name || ' CASCADE';
    END LOOP;
END $$;
DROP TYPE IF EXISTS procrastinate_job_status, procrastinate_job_event_type, procrastinate_job_to_defer_v1;
DROP TRIGGER IF EXISTS audit_record_guard ON audit_record;
DROP TRIGGER IF EXISTS audit_record_guard_truncate ON audit_record;
DROP FUNCTION IF EXISTS audit_record_is_append_only();
