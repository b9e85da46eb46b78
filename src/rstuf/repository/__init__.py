"""Use cases over protocols: what a TUF repository does, without knowing where its state, files and keys are."""
