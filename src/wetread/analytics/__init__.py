"""Figures for who runs the house. Reads the other rooms' tables, writes nothing but its own audit records."""
