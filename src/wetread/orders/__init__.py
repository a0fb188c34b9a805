"""What was asked for: the Imaging Service Request, its Requested Procedures, and the catalogue they come from.

Owns accession numbers, Study Instance UIDs given ahead, priorities, reasons and diagnoses (PS3.3 C.4.11, C.4.12).
The order's state is derived from its Requested Procedures and never stored. Does not own when and where the
procedure is done: that is the scheduling room's.
"""
