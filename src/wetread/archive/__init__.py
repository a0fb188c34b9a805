"""The archive: studies, series and instances, their bytes, and everything that arrived and did not fit.

It owns the index (PS3.3 A.1), the object store with its encryption, ingest, retrieval, renditions for viewing,
corrections laid over on the way out, quarantine, and the table of known application entities. It does not know
orders or reports; which order a study belongs to is decided by the scheduling room from `study.updated`.
"""
