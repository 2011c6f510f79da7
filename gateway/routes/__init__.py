"""The gateway's own JSON routes: sessions, profile and tokens, accounts, audit."""
