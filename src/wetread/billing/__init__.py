"""Charges out of performed procedures, and professional claims (837P) out of charges.

Owns fees, charges, claims, batches and their state machines. Does not own coverage (patients), diagnoses and
referrers of the order (orders), nor practitioners and sites (security): it reads them, says what is missing, and
asks their owners to change them.
"""
