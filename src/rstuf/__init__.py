"""rstuf, the engine: a TUF repository as a library."""
