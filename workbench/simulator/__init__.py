"""Providers with real wire formats and faults, on a loopback port: for tests, and for rehearsing an outage.

It checks the credential that arrives, records what it saw, and fails when it is told to. The same paths below
`/region/{name}` are a region of its own, to which faults and quotas can be bound.
"""
