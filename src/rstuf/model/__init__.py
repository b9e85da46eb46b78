"""Value types of the engine: frozen, validated at the border, free of any I/O."""
