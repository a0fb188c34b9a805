"""Live sessions: several people look at one study together, led by one of them.

Owns the sessions, who was invited and by what link, the shared document (Yjs) and what was said. Every message of a
participant is judged here before it is applied. Does not own the images: a guest sees those of the session by the archive's
own doors, for as long as the session lasts and nobody revoked the invitation.
"""
