"""The state as others see it: Prometheus metrics, the web page, pictures, the terminal."""
