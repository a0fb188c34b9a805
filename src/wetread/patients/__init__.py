"""Who the patient is: identity, identifiers with their issuers, merge and unmerge, safety marks, coverage.

Owns the patient record. Identity is (issuer, identifier); nothing is ever merged on a name. Does not own visits'
clinical notes, nor what a study's received header says of its patient: that stays with the study, and the
scheduling room compares the two.
"""
