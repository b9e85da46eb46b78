"""Adapters of `MetadataStorage` and `ArtifactStorage`."""
