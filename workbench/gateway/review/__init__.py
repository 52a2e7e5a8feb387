"""Onboarding: a use case from its mini-RFC over review to what it is granted, each step with who, when and why."""
