"""Generated messages and stubs of the wire protocol `residuum.v1`; see protos/generate.py."""
