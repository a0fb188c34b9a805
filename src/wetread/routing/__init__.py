"""Sending studies on by rule: what a study says decides where it goes, and a queue that people see brings it there.

A rule names a destination and the conditions that a study must meet. A study that matches waits until nothing more came
for a while, then its objects are sent one after the other; what is there already is not sent again. A destination that
does not answer is tried again, ever more slowly, until a person must look.
"""
