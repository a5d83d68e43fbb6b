"""The ``hookpoint`` command, and the embedded stack that it can run on."""
