"""Pure TUF work: bytes and values in, bytes and values out."""
