"""What every verb says to a terminal or a script: tables and JSON, progress, notes, failures, days."""
