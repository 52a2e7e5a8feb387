"""Parts for tests of one's own: a gateway to talk to, and providers that fail when told to."""
