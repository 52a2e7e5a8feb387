"""Reverse proxies for the providers' own SDKs: `/{provider}/...`, relayed as bytes, the gateway's credential put in."""
