"""Who may do what: keys, scopes and the local owner's identity."""
