"""
Networks written as ONNX graphs straight from their authors' weights, without torch.

Each module writes one part of a network with :class:`~.builder.Builder`, from its paper and the
names in its checkpoint. Sizes are fixed, so that engines can plan everything ahead.
"""
