"""Prompts that were promoted, and what applications say of the answers."""
