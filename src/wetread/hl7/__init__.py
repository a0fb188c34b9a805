"""HL7 v2 edge: MLLP in and out, orders and patients in, results out. Translates to the services below; no SQL."""
