"""Every sentence about rules, units, readings and events."""
