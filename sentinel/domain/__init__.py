"""Values that every room shares: time, errors, observations, states, events, metrics, the spelling of numbers."""
