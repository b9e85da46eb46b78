"""Adapters of `SignerSource` and `KeyMaker`."""
