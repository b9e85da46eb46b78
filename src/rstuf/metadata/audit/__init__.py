"""The exhaustive audit of published metadata, which shares no code with what writes it."""
