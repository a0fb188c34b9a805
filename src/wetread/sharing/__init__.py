"""What leaves the house: results to referrers, links, and the interface queue of messages in and out.

Owns who may see a released result and how messages to other systems stand. Does not own their wording: the edges
translate.
"""
