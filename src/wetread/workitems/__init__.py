"""Unified Procedure Steps, which DICOMweb calls Workitems (PS3.4 annex CC, PS3.18 section 11): units of work that one
system asks for, another performs, and any number watch.

The state machine and the attributes that each state demands are tables in `rules`. Both protocols, DIMSE and UPS-RS,
call the same service; events to subscribers are kept until they were delivered.
"""
