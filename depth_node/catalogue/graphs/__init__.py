"""
ONNX graphs of networks, written from their authors' weights without torch.

Each module writes one part of a network with :class:`~.builder.Builder`, according to its paper
and the names in its checkpoint. Sizes are fixed, so that engines can plan ahead.
"""
