"""What others see of the state: Prometheus metrics, the web page, pictures, the terminal."""
