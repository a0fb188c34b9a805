"""Faults on purpose: processes killed, databases restarted, networks cut, while objects and orders stream in.

`python -m tools.faults --plan K1 --rounds 1000` runs a plan as long as wanted; `tests/fault` runs each for some seconds.
Every plan ends in the same audit. Only processes that a run has started itself are ever ended, by their ids.
"""
