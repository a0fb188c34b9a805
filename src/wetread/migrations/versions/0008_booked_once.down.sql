DROP TRIGGER IF EXISTS appointment_beside_overbooked ON appointment;
DROP FUNCTION IF EXISTS appointment_beside_overbooked();
