"""The DICOM node: associations over TCP, and the services of PS3.4 translated to calls. Does no SQL.

`services` says what it needs of the house, `server` answers peers, `client` speaks to them.
"""
