"""Attribute matching of PS3.4 C.2.2.2 compiled to SQL: one engine for C-FIND, QIDO-RS and Modality Worklist.

`values` reads what a requester sent (pure); `matching` turns it into conditions over a declared table of keys.
"""
