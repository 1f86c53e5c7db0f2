"""From a prediction to metres: units, limits, filters, stabilization."""
