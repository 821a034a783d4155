"""What is asked for, and who rules: controls and their life, arbitration, requests, plans, set-points."""
