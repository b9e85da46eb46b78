"""The daemon of rstuf: nothing of it is imported on a machine that only signs."""
