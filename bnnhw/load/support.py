"""What every loader says when it refuses something."""

__all__ = ["SUPPORTED"]

SUPPORTED = (
    "Layers with ±1 or 8-bit weights on integer activations are supported; docs/graph-format.md "
    "says which."
)
