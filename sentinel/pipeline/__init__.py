"""From observations to alarms: pure stages from batch to result, without a clock, a file or a thread."""
