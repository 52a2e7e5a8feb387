"""Who goes first where a deployment is short: online work by tier, batch and exploration by weight in what is left."""
