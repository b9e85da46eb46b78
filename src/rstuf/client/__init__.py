"""The side of those who download: pinned roots, and contents that are what was signed."""
