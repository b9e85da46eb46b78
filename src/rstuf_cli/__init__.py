"""The command line of rstuf."""
