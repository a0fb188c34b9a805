"""Priors at other archives: looked for when an order is placed or images come without one, and fetched by themselves or
when a person asks.

An answer hangs on a patient only where identifier, issuer and birth date agree and nothing contradicts; what does not
agree waits for a person. What is fetched comes in like everything else, and is linked by the same rules.
"""
