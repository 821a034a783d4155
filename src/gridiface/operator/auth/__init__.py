"""Who may come in and what they may do: users, sessions, tokens, scopes, and what waits for a second person."""
