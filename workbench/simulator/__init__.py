"""Providers with real wire formats and faults, on a loopback port: for tests, and for rehearsing an outage.

It checks the credential that arrives, records what it saw, and fails when it is told to.
"""
