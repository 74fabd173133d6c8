"""Where the metadata of a bag keeps what Foley says of the session."""

from __future__ import annotations

SESSION_KEY = "foley.session"
