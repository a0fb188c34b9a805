"""Reports: drafts that lose nothing, signed versions that never change, key images, PDF.

Owns the report life cycle of one or several Requested Procedures. Does not own who reads what next (worklist) or where a
report goes (sharing).
"""
