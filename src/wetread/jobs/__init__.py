"""Durable background work: jobs enqueued in the caller's transaction, events relayed to subscribers, schedules.

Stands on procrastinate (PostgreSQL queue, SKIP LOCKED, LISTEN/NOTIFY). A job is one transaction of a system actor;
it may run more than once, so it must be idempotent. A job that keeps failing stays visible as failed.
"""
