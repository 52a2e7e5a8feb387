"""Who can vouch for somebody beside the owner's token file: a JupyterHub, an OpenID Connect issuer."""
