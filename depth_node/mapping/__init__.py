"""Many frames with poses to one map: fused surfaces, and the floor plan of what is free."""
