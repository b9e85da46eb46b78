"""The side of key holders: they judge what they are handed by their own record, and need no workspace."""
