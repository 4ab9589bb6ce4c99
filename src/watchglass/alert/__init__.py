"""VERDICTS → INCIDENTS: opened, escalated and closed by rule, evidence kept."""
