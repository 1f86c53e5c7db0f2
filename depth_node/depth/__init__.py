"""From a prediction to metres: units, limits, filters, steadying."""
