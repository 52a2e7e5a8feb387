"""What simulated providers charge: their own price list, what each answer used, and the invoice that comes of it.

Nothing here is shared with the gateway, so that its ledger can be checked against these invoices.
"""
