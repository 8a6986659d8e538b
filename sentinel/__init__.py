"""sentinel: watches time series and warns that one of them is losing resilience."""

__version__ = "0.1.0"
