"""Adapters of `StateStore`."""
