"""From new objects to owners: the referrer graph, and the place where growth accumulates."""
