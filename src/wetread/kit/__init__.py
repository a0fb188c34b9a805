"""Domain-free tools: database, clock, errors, events, limits, settings, paging. Knows nothing of medicine."""
