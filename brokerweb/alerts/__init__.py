"""Alerts: rules on figures and verdicts, what holds of them now, and who is told when that begins and ends."""
