"""Who acts, what they may do, and the record of what they did.

Owns users, roles, sessions, tokens, sites and practitioners, the unit of work bound to an actor, and the audit
trail (PS3.15 A.5). Does not own patients' consents or what a referrer may see: rooms above decide visibility.
"""
