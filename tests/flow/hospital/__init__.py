"""Tests in one demo hospital, which ends when they have ended."""
