DROP TRIGGER IF EXISTS report_version_guard_truncate ON report_version;
