"""The DICOMweb edge (PS3.18): QIDO-RS, WADO-RS and STOW-RS, translated to the archive's services. No SQL here."""
