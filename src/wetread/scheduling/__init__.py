"""From order to images: resources, appointments, Scheduled and Performed Procedure Steps, and which study is whose.

Owns the worklist that modalities read, what they report back, and the link from a study to its Requested Procedure.
"""
