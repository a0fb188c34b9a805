"""Instance Availability Notification (PS3.4 annex R): who has asked for it is told which objects are here to be had.

A study that is quiet for a while is told of, and what comes later is told of again; a receiver that does not answer is
tried until it does or a person takes the right from it.
"""
