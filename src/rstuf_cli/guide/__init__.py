"""The guided ceremony: what is asked (`ceremony`), in which order (`interview`), and how it looks (`screen`)."""
