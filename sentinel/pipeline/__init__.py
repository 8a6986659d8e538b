"""From observations to alarms: pure stages that take a batch and give a result, without a clock, a file or a thread."""
