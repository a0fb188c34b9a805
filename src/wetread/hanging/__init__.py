"""Hanging protocols (PS3.3 C.23): how studies of a kind are laid out for reading, kept for a person, a site or everybody.

The server keeps them and says who may change which. Which one fits a study, and which series its rules find, is decided
where the images are known: in the viewer (`web/src/viewer/hanging`).
"""
