"""The DICOM standard without I/O: data sets, JSON model, character sets, transfer syntaxes, PDUs, DIMSE messages."""

from wetread.dicom import dictionary as dictionary
