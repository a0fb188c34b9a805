"""Measures Wetread beside its peers on this machine; `make bench` prints the figures."""
