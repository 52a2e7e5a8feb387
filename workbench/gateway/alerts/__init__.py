"""Alerts: what somebody should hear of is noticed here, kept in the state database, and delivered once."""
