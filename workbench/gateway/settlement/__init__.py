"""Price what is paid after its request: batches, tuned models, answers in the background, reserved hours.

A run is asked for (`workbench usage settle`), goes on where another ended, and does nothing twice: whoever works on a
thing holds it for a minute at a time in the state database, and its ledger rows have ids that come from the thing.
"""
